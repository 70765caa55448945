/** Codes of `addr`: a text or number that is not what it should be. */
export const addrCodes = {
  ADDR_INVALID_IP: "A text is not an IPv4 or IPv6 address in strict notation.",
  ADDR_INVALID_CIDR: "A text is not an address block, or has bits set beyond its prefix length.",
  ADDR_INVALID_MAC: "A text is not an Ethernet address.",
  ADDR_INVALID_NAME: "A text is not a domain name that DNS can carry.",
  ADDR_INVALID_VNI: "A number is not a VXLAN network identifier.",
  ADDR_OUT_OF_RANGE: "Address arithmetic left the address family or the block.",
} as const;

/** Codes of `kernel`. */
export const kernelCodes = {
  KERNEL_REFUSED: "Linux refused a request about network state.",
  KERNEL_PERMISSION: "The process may not change the network state of this host.",
  KERNEL_NO_NETNS: "The path is not a network namespace.",
  KERNEL_BAD_MESSAGE: "A netlink message could not be read.",
  KERNEL_NO_ANSWER: "Linux did not answer a netlink request in time.",
  KERNEL_DUMP_INTERRUPTED: "A table kept changing while it was read.",
  KERNEL_NFT_MISSING: "The nft program is not installed.",
  KERNEL_NFT_REFUSED: "nft refused a ruleset.",
  KERNEL_NFT_TIMEOUT: "nft did not end in time.",
} as const;

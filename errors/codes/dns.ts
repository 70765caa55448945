/** Codes of `dns`. */
export const dnsCodes = {
  DNS_MALFORMED: "Bytes are not a DNS message, or break a bound that a DNS message has.",
  DNS_INVALID_NAME: "A name cannot be written into a DNS message.",
  DNS_MESSAGE_TOO_LARGE: "A DNS message or one of its fields is larger than its length field can say.",
  DNS_INVALID_OPTION: "An option of the DNS server is outside of its range.",
  DNS_LISTEN_FAILED: "The DNS server could not listen on an address.",
  DNS_TLS_FAILED: "The certificate or key for DNS over TLS cannot be used.",
  DNS_QUERY_FAILED: "A DNS server gave no usable answer to a query.",
  DNS_FORWARD_OVERLOADED: "More forwarded questions are under way than the limit allows.",
  DNS_TOO_MANY_TASKS: "There are more instances than one list of all tasks may hold.",
  DNS_SUBTREE_TOO_LARGE: "More keys lie below a name than are handed to DNS.",
} as const;

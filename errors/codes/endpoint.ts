/** Codes of `plugins/endpoint`: container interfaces, whichever plugin asks for them. */
export const endpointCodes = {
  ENDPOINT_BUSY: "Too many attachments are under way on this node.",
  ENDPOINT_DEADLINE: "Attaching or detaching a container took longer than its caller may wait.",
  ENDPOINT_EXISTS: "The container's interface is attached already, with other parameters.",
  ENDPOINT_JOURNAL_INVALID: "An entry of the endpoint journal cannot be read.",
  ENDPOINT_LEASE_LOST: "A container has an address that is not leased to it any more.",
  ENDPOINT_LIMIT: "This node has as many endpoints as it may have.",
  ENDPOINT_NOT_FOUND: "This node has no such container interface.",
  ENDPOINT_UNWIND_FAILED: "Attaching a container failed, and so did undoing it.",
} as const;

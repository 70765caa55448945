/** Codes of `overlay`. */
export const overlayCodes = {
  OVERLAY_ATTACH_FAILED: "A container's interface could not be made; what was made of it is gone again.",
  OVERLAY_NAME_TAKEN: "A link that is not Heddle's has the name that Heddle needs.",
  OVERLAY_ENDPOINT_DRIFT: "A container's interface lacks what its attachment gave it.",
  OVERLAY_ENDPOINT_LOST: "The host end of a container's interface is gone.",
  OVERLAY_REMOTE_UNREACHABLE: "No backend that the network allows leads to a node.",
  OVERLAY_ROW_CONFLICT: "Two nodes or endpoints ask for the same kernel row.",
  OVERLAY_UNDERLAY_MISSING: "None of the node's underlay addresses stands on a link.",
  OVERLAY_QUEUE_FULL: "Too many attachments are under way on this node.",
} as const;

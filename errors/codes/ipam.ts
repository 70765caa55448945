/** Codes of `ipam`: pools, blocks, leases and the terms of nodes. */
export const ipamCodes = {
  IPAM_ADDRESS_IN_USE:
    "The address that was asked for is held by somebody else, or still rests after its last use.",
  IPAM_ADDRESS_OUTSIDE: "The address that was asked for lies in no pool of the network.",
  IPAM_ADDRESS_RESERVED: "The address that was asked for is one that its pool never hands out.",
  IPAM_CONTENDED: "A change of the address plan lost against other changes too often in a row.",
  IPAM_FENCED: "The node may not allocate: its term was not renewed for too long, or not yet.",
  IPAM_LIMIT: "A named limit of the address plan was reached.",
  IPAM_NETWORK_EXISTS: "A network of that name is there already.",
  IPAM_NETWORK_IN_USE: "The network cannot be deleted: nodes hold blocks or addresses of it.",
  IPAM_NETWORK_INVALID: "The description of a network breaks a rule of the address plan.",
  IPAM_NETWORK_NOT_FOUND: "There is no network of that name.",
  IPAM_NODE_ALIVE: "The node is alive: what it holds cannot be freed at once.",
  IPAM_NODE_NOT_FOUND: "The address plan knows no node of that name.",
  IPAM_OWNER_HAS_ADDRESS: "The container interface holds another address of the network already.",
  IPAM_POOL_EXHAUSTED: "Every address of the pool is taken, or lies in blocks of other nodes.",
  IPAM_RECORD_INVALID: "A stored record of the address plan cannot be read.",
  IPAM_RECOVERING:
    "The address plan is being gathered from the nodes; nothing is given until that is finished.",
  IPAM_RECOVERY_CONFLICT: "The address plan cannot be taken over as it was stated.",
  IPAM_RECOVERY_STATE: "A step of a recovery is not possible now.",
  IPAM_REQUEST_INVALID: "A request for addresses contradicts itself or the network.",
  IPAM_STALE_EPOCH: "The node's term has ended; its blocks and addresses belong to it no longer.",
  IPAM_UNAVAILABLE: "The servers or the journal could not be reached, and the request needs them.",
} as const;

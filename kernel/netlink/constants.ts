/** Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h and linux/fib_rules.h. */

export const messageType = {
  error: 2,
  done: 3,
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  deleteRule: 33,
  getRule: 34,
  newNetconf: 80,
  deleteNetconf: 81,
} as const;

export const flag = {
  request: 0x1,
  ack: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** In NLMSG_ERROR: the request is not repeated; attributes follow. */
  capped: 0x100,
  ackAttributes: 0x200,
} as const;

export const ackMessageAttribute = 1;

export const addressFamily = { unspec: 0, unix: 1, ipv4: 2, bridge: 7, ipv6: 10, netlink: 16 } as const;

export const linkFlagUp = 1;

export const ifla = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  group: 27,
  netnsFd: 28,
  extendedMask: 29,
  infoKind: 1,
  infoData: 2,
  vethPeer: 1,
} as const;

/** RTEXT_FILTER_SKIP_STATS: leave the counters out, half of every answer. */
export const skipStatistics = 8;

export const iflaVxlan = { id: 1, link: 3, local: 4, learning: 7, port: 15, local6: 17 } as const;

export const ifa = { address: 1, local: 2, flags: 8 } as const;
/** IFA_F_NODAD */
export const noDuplicateDetection = 2;

export const rta = {
  destination: 1,
  outLink: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
  metricMtu: 2,
} as const;

export const onlinkFlag = 4;
export const scopeNowhere = 255;

export const nda = { destination: 1, linkAddress: 2, linkIndex: 8 } as const;
export const neighbourState = { reachable: 0x02, noArp: 0x40, permanent: 0x80 } as const;
export const neighbourFlag = { self: 0x02, master: 0x04, proxy: 0x08 } as const;

export const fra = {
  destination: 1,
  source: 2,
  priority: 6,
  mark: 10,
  table: 15,
  mask: 16,
  protocol: 21,
} as const;
/** linux/netfilter/nf_tables.h: the high byte of a message's type is its subsystem. */
export const nftables = {
  subsystem: 10,
  /** RTNLGRP_*'s counterpart, NFNLGRP_NFTABLES. */
  group: 7,
  /** Ends a transaction; names no table. */
  newGeneration: 15,
  /** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE…: the first attribute of every object. */
  tableName: 1,
} as const;

/** FR_ACT_TO_TBL */
export const actionToTable = 1;

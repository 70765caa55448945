/** What rtnetlink tells of (NETLINK_ROUTE multicast groups, rtnetlink(7)), as topics. */
import type { EventFeed } from "../event-feed.ts";
import type { KernelTopic, NftTopic } from "../kernel.ts";
import { messageType } from "./constants.ts";
import type { NotificationSource } from "./subscription.ts";

type RouteTopic = Exclude<KernelTopic, NftTopic>;

const netlinkRoute = 0;

/** Bits of RTNLGRP_* by topic; neighbours and forwarding rows are one group. */
const groupsOf: Readonly<Record<RouteTopic, number>> = {
  link: groupBit(1),
  neighbour: groupBit(3),
  address: groupBit(5) | groupBit(9),
  route: groupBit(7) | groupBit(11),
  rule: groupBit(8) | groupBit(19),
  sysctl: groupBit(24) | groupBit(25),
};

const topicOfType = new Map<number, RouteTopic>([
  [messageType.newLink, "link"],
  [messageType.deleteLink, "link"],
  [messageType.newAddress, "address"],
  [messageType.deleteAddress, "address"],
  [messageType.newRoute, "route"],
  [messageType.deleteRoute, "route"],
  [messageType.newNeighbour, "neighbour"],
  [messageType.deleteNeighbour, "neighbour"],
  [messageType.newRule, "rule"],
  [messageType.deleteRule, "rule"],
  [messageType.newNetconf, "sysctl"],
  [messageType.deleteNetconf, "sysctl"],
]);

export const routeRestartDelayMs = 20;

/** Undefined when none of the topics is told by rtnetlink. */
export function routeSource(topics: readonly KernelTopic[], feed: EventFeed): NotificationSource | undefined {
  const groups = topics.reduce((mask, topic) => mask | (groupsOf[topic as RouteTopic] ?? 0), 0);
  if (groups === 0) return undefined;
  return {
    protocol: netlinkRoute,
    groups,
    restartDelayMs: routeRestartDelayMs,
    told: ({ type }) => {
      const topic = topicOfType.get(type);
      if (topic !== undefined) feed.change(topic);
    },
    lost: () => feed.overrun(),
  };
}

function groupBit(group: number): number {
  return 1 << (group - 1);
}

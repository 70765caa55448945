/**
 * What nftables tells of (NETLINK_NETFILTER, group NFNLGRP_NFTABLES), as topics of single tables: a message an
 * object, each with the name of its table, so that others may rewrite theirs as often as they like and wake
 * nobody here. What our own nft(8) changed is known by the port of its socket, which is its process id.
 *
 * Somebody who loads a set of 100,000 elements overruns the queue: then every table asked for counts as
 * changed, `restartDelayMs` later, as each look is a process and a flood may go on.
 */
import type { EventFeed } from "../event-feed.ts";
import type { KernelTopic, NftTopic } from "../kernel.ts";
import type { RecentRuns } from "../nft/index.ts";
import { nftables } from "./constants.ts";
import { type NetlinkMessage, readAttributes, readText } from "./message-reader.ts";
import type { NotificationSource } from "./subscription.ts";

const netlinkNetfilter = 12;
/** `struct nfgenmsg`, which starts with the family. */
const headerLength = 4;
/** NFPROTO_* by the words of nft(8). */
const families = new Map([
  [1, "inet"],
  [2, "ip"],
  [3, "arp"],
  [5, "netdev"],
  [7, "bridge"],
  [10, "ip6"],
]);

export const nftRestartDelayMs = 1000;

/** Undefined when none of the topics is a table. */
export function nftSource(
  topics: readonly KernelTopic[],
  feed: EventFeed,
  ownRuns: RecentRuns,
): NotificationSource | undefined {
  const tables = topics.filter((topic): topic is NftTopic => topic.startsWith("nft "));
  if (tables.length === 0) return undefined;
  return {
    protocol: netlinkNetfilter,
    groups: 1 << (nftables.group - 1),
    restartDelayMs: nftRestartDelayMs,
    told: (message) => {
      const topic = ownRuns.has(message.port) ? undefined : topicOf(message);
      if (topic !== undefined) feed.change(topic);
    },
    lost: () => {
      for (const table of tables) feed.change(table);
    },
  };
}

/** Undefined for what names no table. @throws KERNEL_BAD_MESSAGE */
export function topicOf({ type, body }: Pick<NetlinkMessage, "type" | "body">): NftTopic | undefined {
  if (type >> 8 !== nftables.subsystem || (type & 0xff) === nftables.newGeneration) return undefined;
  const name = readText(readAttributes(body, headerLength), nftables.tableName);
  const family = families.get(body.readUInt8(0));
  return name === undefined || family === undefined ? undefined : `nft ${family} ${name}`;
}

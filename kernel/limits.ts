/** Bounds and times of the talk with Linux, each where it is used, gathered for who shows or documents them. */
import { burstMs } from "./event-feed.ts";
import { bufferMaxBytes } from "./netlink/message-writer.ts";
import {
  answerTimeoutMs,
  batchMax,
  batchMaxBytes,
  dumpAttemptsMax,
  receiveBufferBytes,
  sendBufferBytes,
} from "./netlink/netlink-socket.ts";
import { nftRestartDelayMs } from "./netlink/nft-notifications.ts";
import { routeRestartDelayMs } from "./netlink/route-notifications.ts";
import { queueBytes } from "./netlink/subscription.ts";
import { nftOutputMaxBytes, nftTimeoutMs } from "./nft/nft.ts";

export const kernelLimits = {
  batchMax,
  batchMaxBytes,
  bufferMaxBytes,
  sendBufferBytes,
  receiveBufferBytes,
  answerTimeoutMs,
  dumpAttemptsMax,
  queueBytes,
  routeRestartDelayMs,
  nftRestartDelayMs,
  burstMs,
  nftTimeoutMs,
  nftOutputMaxBytes,
} as const;

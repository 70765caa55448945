/**
 * A thread whose sockets are in a host's namespace: it asks the DNS of the host's agent for one name, with EDNS, again
 * and again, and posts each answer. A thread, as the process that hurts others waits for `nft` and `ip` now and then and
 * would measure itself; of its own namespace, as setns(2) is of the calling thread.
 */
import { createSocket } from "node:dgram";
import { openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import packet from "dns-packet";
import { enterNetworkNamespace } from "../../../../kernel/libc/libc.ts";
import { nowMs, wait } from "../wait.ts";

export interface AskNames {
  readonly netns: string;
  readonly name: string;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface NameAnswer {
  /** Wall time. */
  readonly askedMs: number;
  readonly rcode: string;
  readonly addresses: readonly string[];
  /** Extended DNS Errors (RFC 8914). */
  readonly errors: readonly { readonly code: number; readonly text: string }[];
}

const extendedErrorOption = 15;

async function main({ netns, name, everyMs, timeoutMs }: AskNames): Promise<void> {
  const errno = enterNetworkNamespace(openSync(netns, "r"));
  if (errno !== 0) throw new Error(`enter ${netns}: errno ${errno}`);
  const socket = createSocket("udp4");
  const asked = new Map<number, number>();
  socket.on("message", (bytes) => {
    const answer = packet.decode(bytes) as packet.DecodedPacket & { readonly rcode: string };
    const askedMs = asked.get(answer.id ?? 0);
    if (askedMs === undefined) return;
    asked.delete(answer.id ?? 0);
    parentPort?.postMessage(read(answer, askedMs));
  });
  // Nobody listens while the agent is away.
  socket.on("error", () => undefined);
  for (let id = 1; ; id = (id + 1) & 0xffff) {
    const query = packet.encode({
      type: "query",
      id,
      questions: [{ type: "A", name }],
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] } as never],
    });
    const askedMs = nowMs();
    asked.set(id, askedMs);
    for (const [old, atMs] of asked) if (atMs < askedMs - timeoutMs) asked.delete(old);
    socket.send(query, 8600, "127.0.0.1", () => undefined);
    await wait(everyMs);
  }
}

function read(answer: packet.DecodedPacket & { readonly rcode: string }, askedMs: number): NameAnswer {
  const options = (answer.additionals ?? []).flatMap((record) =>
    record.type === "OPT"
      ? (record.options as readonly { readonly code: number; readonly data: Buffer }[])
      : [],
  );
  return {
    askedMs,
    rcode: answer.rcode,
    addresses: (answer.answers ?? []).flatMap((record) => (record.type === "A" ? [record.data] : [])),
    errors: options
      .filter(({ code }) => code === extendedErrorOption)
      .map(({ data }) => ({ code: data.readUInt16BE(0), text: data.subarray(2).toString() })),
  };
}

await main(workerData as AskNames);

/** What of nftables' notifications becomes a topic, from messages as Linux wrote them and from any bytes. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFabricError } from "../../errors/index.ts";
import { requireWorld } from "../../test/world.ts";
import { topicOf } from "./nft-notifications.ts";
import { openKernel } from "./open-kernel.ts";

const newTable = 0x0a00;
const newGeneration = 0x0a0f;

describe("topicOf()", () => {
  test("names the table by family, and nothing for a generation or another subsystem", () => {
    const body = Buffer.from("010000000b000100686564646c650000", "hex");
    expect(topicOf({ type: newTable, body })).toBe("nft inet heddle");
    expect(topicOf({ type: newGeneration, body })).toBeUndefined();
    expect(topicOf({ type: 0x0100, body })).toBeUndefined();
    body.writeUInt8(10, 0);
    expect(topicOf({ type: newTable, body })).toBe("nft ip6 heddle");
  });

  test("answers or refuses any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          topicOf({ type: newTable, body: Buffer.from(bytes) });
        } catch (error) {
          expect(isFabricError(error, "KERNEL_BAD_MESSAGE")).toBe(true);
        }
      }),
    );
  });
});

test("a flood of others wakes nobody, or if notifications were lost by it, once a second", async () => {
  requireWorld();
  execFileSync("ip", ["netns", "add", "nf1"]);
  const kernel = openKernel({ netns: "/run/netns/nf1" });
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of kernel.events(["nft inet heddle"], stop.signal)) seen.push(event.kind);
  })();
  const nft = (text: string) =>
    execFileSync("ip", ["netns", "exec", "nf1", "nft", "-f", "-"], { input: text });
  const elements = Array.from({ length: 60_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  // Synchronous, so that the event loop reads nothing meanwhile.
  nft(`add table inet other; add set inet other s { type ipv4_addr; elements = { ${elements.join(",")} }; }`);
  await expect.poll(() => seen).toEqual(["changed"]);
  for (let i = 0; i < 20; i++) nft(`add element inet other s { 10.255.0.${i} }`);
  nft("add table inet heddle");
  await expect.poll(() => seen).toEqual(["changed", "changed"]);
  stop.abort();
  await reading;
  kernel.close();
  execFileSync("ip", ["netns", "del", "nf1"]);
});

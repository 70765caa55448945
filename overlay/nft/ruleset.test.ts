import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { cidrFromIp, ipFromBigInt, parseCidr, parseIp } from "../../addr/index.ts";
import { requireWorld } from "../../test/world.ts";
import { canonicalTable } from "./canonical.ts";
import { deleteTable, desiredTable, replaceTable } from "./ruleset.ts";

requireWorld();
const directory = mkdtempSync(join(tmpdir(), "heddle-nft-"));
afterAll(() => rmSync(directory, { recursive: true }));

const web = {
  name: "web",
  pools: [parseCidr("10.1.0.0/16"), parseCidr("fd00:1::/32")],
  backend: "auto",
  masquerade: true,
  policy: "isolated",
} as const;

function nft(commands: readonly unknown[]): void {
  const file = join(directory, "ruleset.json");
  writeFileSync(file, JSON.stringify({ nftables: commands }));
  const result = spawnSync("nft", ["-j", "-f", file], { encoding: "utf8" });
  expect(result.stderr).toBe("");
}

function listed(): unknown[] {
  const result = spawnSync("nft", ["-j", "list", "table", "inet", "heddle"], { encoding: "utf8" });
  return JSON.parse(result.stdout).nftables;
}

describe("desiredTable", () => {
  it("is what nft lists after it was loaded, for any pools", () => {
    const pool4 = fc
      .tuple(fc.bigInt(0n, 0xffffffffn), fc.integer({ min: 4, max: 32 }))
      .map(([n, prefix]) => cidrFromIp(ipFromBigInt(4, n), prefix));
    const pool6 = fc
      .tuple(fc.bigInt(0n, (1n << 128n) - 1n), fc.integer({ min: 4, max: 128 }))
      .map(([n, prefix]) => cidrFromIp(ipFromBigInt(6, n), prefix));
    const networks = fc.array(
      fc.record({
        pools: fc.array(fc.oneof(pool4, pool6), { maxLength: 3 }),
        masquerade: fc.boolean(),
        policy: fc.constantFrom("isolated", "open", "internal"),
      }),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(networks, (parts) => {
        const wanted = desiredTable(parts.map((part, i) => ({ ...web, name: `n${i}`, ...part })));
        nft(replaceTable(wanted));
        expect(canonicalTable(listed())).toBe(canonicalTable(wanted));
      }),
      { numRuns: 40 },
    );
  });

  it("is what nft lists after it was loaded, for any published ports", () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const published = fc.array(
      fc.record(
        {
          protocol: fc.constantFrom("tcp", "udp", "sctp"),
          hostIp: fc.constantFrom(parseIp("127.0.0.1"), parseIp("192.0.2.1")),
          hostPort: port,
          ip: fc.constantFrom(parseIp("10.1.0.1"), parseIp("10.1.0.2")),
          port,
        },
        { requiredKeys: ["protocol", "hostPort", "ip", "port"] },
      ),
      { maxLength: 4 },
    );
    const sixth = { protocol: "tcp", hostPort: 80, ip: parseIp("fd00:1::1"), port: 8080 } as const;
    fc.assert(
      fc.property(published, (ports) => {
        const wanted = desiredTable([web], [...ports, sixth]);
        nft(replaceTable(wanted));
        expect(canonicalTable(listed())).toBe(canonicalTable(wanted));
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ["a pool", [{ ...web, pools: [parseCidr("10.2.0.0/16")] }]],
    ["masquerading", [{ ...web, masquerade: false }]],
    ["the policy", [{ ...web, policy: "internal" }] as const],
  ])("differs when %s does", (_what, networks) => {
    expect(canonicalTable(desiredTable(networks))).not.toBe(canonicalTable(desiredTable([web])));
  });

  it("differs from a table where somebody removed a rule or added one", () => {
    const wanted = desiredTable([web]);
    nft(replaceTable(wanted));
    spawnSync("nft", ["add", "rule", "inet", "heddle", "antispoof", "accept"]);
    expect(canonicalTable(listed())).not.toBe(canonicalTable(wanted));
  });

  it("goes as a whole, and again", () => {
    nft(replaceTable(desiredTable([web])));
    nft(deleteTable());
    nft(deleteTable());
    expect(spawnSync("nft", ["list", "tables"], { encoding: "utf8" }).stdout).toBe("");
  });
});

/** Against the real nft and the real iptables, as Docker uses them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { requireWorld } from "../../test/world.ts";
import { userChainCommands, userChainRemoval } from "./user-chain.ts";

requireWorld();
const directory = mkdtempSync(join(tmpdir(), "heddle-user-chain-"));
const netns = `user-chain-${process.pid}`;
spawnSync("ip", ["netns", "add", netns]);
afterAll(() => {
  rmSync(directory, { recursive: true });
  spawnSync("ip", ["netns", "delete", netns]);
});

function inside(...command: readonly string[]) {
  return spawnSync("nsenter", [`--net=/run/netns/${netns}`, ...command], { encoding: "utf8" });
}

function iptables(...args: readonly string[]): string {
  const { status, stdout, stderr } = inside("iptables-nft", ...args);
  expect(stderr.replace(/#.*\n/g, "")).toBe("");
  expect(status).toBe(0);
  return stdout;
}

function listed(): readonly unknown[] | undefined {
  const { stdout } = inside("nft", "-j", "list", "table", "ip", "filter");
  return stdout === "" ? undefined : JSON.parse(stdout).nftables;
}

function apply(commands: readonly unknown[]): void {
  const file = join(directory, "commands.json");
  writeFileSync(file, JSON.stringify({ nftables: commands }));
  expect(inside("nft", "-j", "-f", file).stderr).toBe("");
}

beforeEach(() => {
  inside("nft", "flush", "ruleset");
});

it("asks for nothing where Docker has no chain", () => {
  expect(userChainCommands("ip", listed())).toEqual([]);
  iptables("-N", "OTHER");
  expect(userChainCommands("ip", listed())).toEqual([]);
});

it.each([
  ["with Docker's final return", ["-j", "RETURN"], ["-j RETURN"]],
  ["without one", [], []],
])("stands behind an operator's rules, %s, and iptables can read it", (_, last, end) => {
  iptables("-N", "DOCKER-USER");
  iptables("-A", "DOCKER-USER", "-s", "192.0.2.1", "-j", "DROP");
  if (last.length > 0) iptables("-A", "DOCKER-USER", ...last);
  apply(userChainCommands("ip", listed()));
  const rules = iptables("-S", "DOCKER-USER").trim().split("\n").slice(1);
  expect(rules).toEqual(
    [
      "-s 192.0.2.1/32 -j DROP",
      "-i hd+ -m comment --comment heddle -j ACCEPT",
      "-o hd+ -m comment --comment heddle -j ACCEPT",
      ...end,
    ].map((rule) => `-A DOCKER-USER ${rule}`),
  );
  expect(userChainCommands("ip", listed())).toEqual([]);
});

it("comes back when one rule was removed, and goes without a trace", () => {
  iptables("-N", "DOCKER-USER");
  iptables("-A", "DOCKER-USER", "-j", "RETURN");
  const before = iptables("-S");
  apply(userChainCommands("ip", listed()));
  iptables("-D", "DOCKER-USER", "1");
  apply(userChainCommands("ip", listed()));
  expect(userChainCommands("ip", listed())).toEqual([]);
  apply(userChainRemoval("ip", listed()));
  expect(iptables("-S").split("\n").toSorted()).toEqual(before.split("\n").toSorted());
});

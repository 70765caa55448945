/**
 * CNI beside Debian's `bridge` + `host-local` with `ipMasq`: ADD and DEL of one container, each as the whole
 * plugin process from its start to its end, as a container runtime pays for it. The two take turns.
 *
 * Starting a process from Node costs the same for both and is in every figure; `spawn_ms` says how much it is
 * (`/bin/true`). The agent is a whole `heddle up`. A DEL of Heddle answers when the addresses are
 * unreachable and the link goes later; each round waits for that outside of what is measured, so that it
 * disturbs neither side.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkResult } from "../lab/cni-result.ts";
import { run } from "../lab/command.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";
import { startUpNode } from "./up-node.ts";

export interface CniBenchOptions {
  readonly rounds?: number;
  /** Rounds before those, which do not count. */
  readonly warmupRounds?: number;
}

interface Side {
  readonly binary: string;
  readonly config: string;
  readonly addMs: number[];
  readonly delMs: number[];
}

const debianPlugins = "/usr/lib/cni";
const cniVersion = "1.0.0";
const network = "bench";
const peer = "bridge+host-local+ipMasq";

export async function measureCni(options: CniBenchOptions = {}): Promise<BenchResult> {
  const { rounds = 40, warmupRounds = 5 } = options;
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-cni-"));
  const agent = await startUpNode(network, "10.92.0.0/16");
  const sides = { heddle: heddleSide(agent.binDir), peer: peerSide(directory) };
  const spawnMs: number[] = [];
  try {
    for (let round = 0; round < warmupRounds + rounds; round++) {
      await measureRound(sides, `bench${round}`);
      spawnMs.push(timed("/bin/true", {}, "").ms);
    }
  } finally {
    await agent.stop();
    rmSync(directory, { recursive: true });
  }
  const [ours, theirs] = [sides.heddle, sides.peer];
  const counted = (values: readonly number[]) => values.slice(warmupRounds);
  return {
    bench: "cni",
    machine: machine(),
    rows: [
      benchRow({
        metric: "add_ms",
        heddle: counted(ours.addMs),
        peers: { [peer]: counted(theirs.addMs) },
        budget: 0.6,
      }),
      benchRow({
        metric: "del_ms",
        heddle: counted(ours.delMs),
        peers: { [peer]: counted(theirs.delMs) },
        budget: 0.2,
      }),
      benchRow({ metric: "spawn_ms", heddle: counted(spawnMs), peers: {} }),
    ],
  };
}

/** One container of each side, in a namespace of its own: ADD, ADD, DEL, DEL. */
async function measureRound(sides: Readonly<Record<string, Side>>, name: string): Promise<void> {
  const containers = Object.entries(sides).map(([key, side]) => ({ side, id: `${name}-${key}` }));
  for (const { id } of containers) run(["ip", "netns", "add", id]);
  for (const { side, id } of containers) {
    const { ms, stdout } = call(side, "ADD", id);
    checkResult(stdout, cniVersion, { main: true });
    side.addMs.push(ms);
  }
  for (const { side, id } of containers) side.delMs.push(call(side, "DEL", id).ms);
  for (const { id } of containers) run(["ip", "netns", "delete", id]);
  await untilSettled();
}

/** No end of a container's link is left on the host. */
async function untilSettled(): Promise<void> {
  for (let tries = 0; / (hd[0-9a-f]{12}|veth[0-9a-f]{8})@/.test(run(["ip", "-o", "link"])); tries++) {
    if (tries === 500) throw new Error(`links are left:\n${run(["ip", "-o", "link"])}`);
    await sleep(10);
  }
}

function call(side: Side, command: string, id: string): { readonly ms: number; readonly stdout: string } {
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_NETNS: `/run/netns/${id}`,
    CNI_IFNAME: "eth0",
    CNI_PATH: debianPlugins,
  };
  return timed(side.binary, variables, side.config);
}

function timed(
  program: string,
  variables: Readonly<Record<string, string>>,
  input: string,
): { readonly ms: number; readonly stdout: string } {
  const env = { PATH: process.env["PATH"] ?? "", ...variables };
  const start = performance.now();
  const { status, stdout, error } = spawnSync(program, [], { env, input, encoding: "utf8" });
  const ms = performance.now() - start;
  if (status !== 0) throw new Error(`${program} ${variables["CNI_COMMAND"]}: ${error?.message ?? stdout}`);
  return { ms, stdout };
}

function heddleSide(binDir: string): Side {
  const config = JSON.stringify({ cniVersion, name: network, type: "heddle" });
  return { binary: join(binDir, "heddle"), config, addMs: [], delMs: [] };
}

function peerSide(directory: string): Side {
  const config = JSON.stringify({
    cniVersion,
    name: "peer",
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: true,
    ipam: {
      type: "host-local",
      dataDir: directory,
      ranges: [[{ subnet: "10.2.0.0/16" }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  });
  return { binary: join(debianPlugins, "bridge"), config, addMs: [], delMs: [] };
}

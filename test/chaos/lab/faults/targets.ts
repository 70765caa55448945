/** Who can be hurt in a rig, and by which effects. */
import { run, tryRun } from "../../../lab/command.ts";
import type { Host } from "../../../lab/host.ts";
import type { Rig } from "../rig.ts";
import { wait } from "../wait.ts";
import type { Effect, Effects, Targets } from "./inflict.ts";
import { type Port, type WeatherMeans, weather } from "./weather.ts";

/** A stopped process runs on until its threads are interrupted. */
const stoppedMs = 100;

export function targetsOf(rig: Rig, means: WeatherMeans): Targets {
  return new Map<string, Effects>([
    ...rig.hosts.map((host) => [host.name, agentEffects(rig, host, means)] as const),
    ...rig.servers.map((server) => [server.name, serverEffects(rig, server)] as const),
    ...rig.etcd.addresses.map((_, index) => [`etcd${index + 1}`, memberEffects(rig, index)] as const),
    ["etcd", { quorum: lostQuorum(rig) }],
    ["world", { weather: weather(portOf(rig, "world", undefined), means) }],
  ]);
}

function agentEffects(rig: Rig, host: Host, means: WeatherMeans): Effects {
  return {
    ...processEffects(rig, host.name),
    cut: { begin: () => rig.lab.cable(host, false), end: () => rig.lab.cable(host, true) },
    weather: weather(portOf(rig, host.name, host.netns), means),
    fill: rig.disk(host.name).filling,
    wipe: lostDisk(rig, host),
  };
}

function serverEffects(rig: Rig, { name, address, group }: Rig["servers"][number]): Effects {
  return {
    ...processEffects(rig, name),
    cut: table(
      `cut-${name}`,
      `chain in { type filter hook input priority 0; iifname world ip daddr ${address} drop; }`,
    ),
    fill: rig.disk(name).filling,
    // In both directions, and of the connections of this server alone: they are marked when they are made.
    orphan: table(
      `orphan-${name}`,
      `chain out { type filter hook output priority 0; ct mark ${group} tcp dport 2379 drop; }`,
      `chain in { type filter hook input priority 0; ct mark ${group} tcp sport 2379 drop; }`,
    ),
  };
}

function memberEffects({ etcd }: Rig, index: number): Effects {
  return {
    kill: { begin: () => etcd.kill(index), end: () => etcd.startMember(index) },
    pause: { begin: () => etcd.signal(index, "SIGSTOP"), end: () => etcd.signal(index, "SIGCONT") },
    cut: { begin: () => etcd.cutOff(index), end: () => etcd.join() },
  };
}

/** The member that the draw leaves is alone; the others are killed, or frozen, by the draw as well. */
function lostQuorum({ etcd }: Rig): Effect {
  let restore: (() => void) | undefined;
  return {
    begin: async (draw) => {
      const all = [...etcd.addresses.keys()];
      const taken = all.filter((index) => index !== draw % all.length);
      if (draw & 0x100) {
        await Promise.all(taken.map((index) => etcd.kill(index)));
        restore = () => {
          for (const index of taken) etcd.startMember(index);
        };
      } else {
        for (const index of taken) etcd.signal(index, "SIGSTOP");
        restore = () => {
          for (const index of taken) etcd.signal(index, "SIGCONT");
        };
        await wait(stoppedMs);
      }
    },
    end: () => restore?.(),
  };
}

/** The containers of the host go on, but nobody there knows of them any more. */
function lostDisk(rig: Rig, host: Host): Effect {
  return {
    begin: async () => {
      await rig.kill(host.name);
      rig.disk(host.name).wipe();
      rig.tellWiped(host);
    },
    end: () => rig.start(host.name),
  };
}

function processEffects(rig: Rig, name: string): Effects {
  return {
    kill: { begin: () => rig.kill(name), end: () => rig.start(name) },
    pause: { begin: () => rig.signal(name, "SIGSTOP"), end: () => rig.signal(name, "SIGCONT") },
  };
}

/** Rules of nftables in this process's namespace. */
function table(name: string, ...chains: readonly string[]): Effect {
  return {
    begin: () => void run(["nft", "-f", "-"], { input: `table inet ${name} {\n${chains.join("\n")}\n}` }),
    end: () => void tryRun(["nft", "delete", "table", "inet", name]),
  };
}

function portOf(rig: Rig, name: string, netns: string | undefined): Port {
  const link = `p-${name}`;
  return { netns: rig.lab.path("core"), link, peer: { netns, link: netns === undefined ? name : "eth0" } };
}

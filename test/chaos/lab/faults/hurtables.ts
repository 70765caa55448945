/** Who there is to be hurt in a rig, and by what. Of a group one is hurt at a time. */
import type { Hurtable } from "./plan.ts";

const [hosts, servers, members] = [4, 2, 3];

export const hurtables: readonly Hurtable[] = [
  ...named("h", hosts, (name) => ({
    name,
    group: name,
    kinds: ["kill", "pause", "cut", "weather", "fill", "wipe"],
  })),
  ...named("s", servers, (name) => ({
    name,
    group: name,
    kinds: ["kill", "pause", "cut", "fill", "orphan"],
  })),
  ...named("etcd", members, (name) => ({ name, group: "etcd", kinds: ["kill", "pause", "cut"] })),
  { name: "etcd", group: "etcd", kinds: ["quorum"] },
  // The link of both servers.
  { name: "world", group: "world", kinds: ["weather"] },
];

function named(prefix: string, count: number, make: (name: string) => Hurtable): readonly Hurtable[] {
  return Array.from({ length: count }, (_, index) => make(`${prefix}${index + 1}`));
}

export function groupOf(target: string): string {
  return hurtables.find(({ name }) => name === target)?.group ?? target;
}

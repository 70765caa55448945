/**
 * Runs on a host of a lab: Consul's own client from npm against the host's agent, as an application would use
 * it. Prints one JSON object with what the client saw.
 *
 *   nsenter --net=… node test/lab/consul-client.ts
 */
import { once } from "node:events";
import Consul from "consul";

export interface Seen {
  readonly missing: unknown;
  readonly value: unknown;
  readonly keys: readonly string[];
  readonly staleCas: boolean;
  readonly service: { readonly name: string; readonly passing: number };
  readonly watched: readonly (string | undefined)[];
  readonly leader: string;
  readonly members: readonly string[];
}

const key = "npm/greeting";

/** The value before, and the one after a write: each as the watch tells it. */
async function watchTwice(consul: Consul): Promise<(string | undefined)[]> {
  const watch = consul.watch({ method: consul.kv.get.bind(consul.kv), options: { key } });
  const valueIn = ([data]: unknown[]) => (data as { Value: string } | undefined)?.Value;
  const before = valueIn(await once(watch, "change"));
  const next = once(watch, "change");
  await consul.kv.set(key, "changed");
  const after = valueIn(await next);
  watch.end();
  return [before, after];
}

async function useEverything(): Promise<Seen> {
  const consul = new Consul({ host: "127.0.0.1", port: 8500 });
  const missing = (await consul.kv.get("npm/missing")) ?? "nothing";
  await consul.kv.set(key, "hello");
  const found = await consul.kv.get(key);
  await consul.agent.service.register({
    name: "npm",
    port: 80,
    check: { name: "beat", ttl: "60s", timeout: "1s" },
  });
  await consul.agent.check.pass("service:npm");
  const passing = await consul.health.service({ service: "npm", passing: true });
  const members = (await consul.catalog.node.list()) as { Node: string }[];
  return {
    missing,
    value: found?.Value,
    keys: await consul.kv.keys("npm/"),
    // The client hands a `false` on as undefined.
    staleCas: (await consul.kv.set({ key, value: "never", cas: 1 })) ?? false,
    service: { name: "npm", passing: (passing as unknown[]).length },
    watched: await watchTwice(consul),
    leader: await consul.status.leader(),
    members: members.map(({ Node }) => Node).toSorted(),
  };
}

if (import.meta.main) process.stdout.write(JSON.stringify(await useEverything()));

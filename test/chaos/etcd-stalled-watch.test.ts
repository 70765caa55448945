/**
 * A server whose watch brings nothing any more and does not say so: the member behind it is frozen, or cut off without a
 * word. The bound of the watch's repair, what a consistent read answers meanwhile, and what is said when no member is left.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { Registry, RegistryWriter } from "../../registry/index.ts";
import { etcdLimits, type Store } from "../../store/index.ts";
import { waitFor } from "../lab/command.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";

/** Silence until the watch counts as lost, then a connection to the next member. */
const repairMaxMs = etcdLimits.silenceMaxMs + etcdLimits.connectTimeoutMs + etcdLimits.retryMaxMs;
/** For machines that are busy. */
const slackMs = 3000;

interface Server {
  readonly store: Store;
  readonly registry: Registry;
  readonly writer: RegistryWriter;
}

let cluster: EtcdCluster;
let [behind, beside]: [Server, Server] = [] as never;

async function server(addresses: readonly string[]): Promise<Server> {
  const store = await cluster.open("stalled/", { addresses });
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  return { store, registry, writer: new RegistryWriter({ store, registry, clock: systemClock }) };
}

async function put(value: string): Promise<void> {
  await beside.writer.kvPut("k", Buffer.from(value));
}

const held = () => Buffer.from(behind.registry.kv("k")?.value ?? []).toString();

/** The one that `behind` asks first, and its watch is of. */
let first = 0;

beforeEach(async () => {
  cluster = await EtcdCluster.start();
  // Not the leader: others write on at once.
  first = (cluster.leader() + 1) % 3;
  const others = cluster.addresses.filter((_, index) => index !== first);
  behind = await server([cluster.addresses[first] ?? "", ...others]);
  beside = await server(others);
  await put("old");
  await waitFor("the first write", () => held() === "old" || undefined);
});

afterEach(async () => {
  for (const each of [behind, beside]) {
    await each?.registry.close();
    await each?.store.close();
  }
  await cluster?.dispose();
});

const silences: readonly (readonly [what: string, begin: () => void, end: () => void])[] = [
  ["frozen", () => cluster.signal(first, "SIGSTOP"), () => cluster.signal(first, "SIGCONT")],
  ["cut off", () => cluster.cutOff(first), () => cluster.join()],
];

describe.each(silences)("a server whose etcd member is %s", (_, begin, end) => {
  it("answers consistent reads with what others wrote, never with the old", async () => {
    begin();
    await put("new");
    await behind.registry.barrier();
    expect(held()).toBe("new");
    end();
  });

  it("follows again within the stated time, though nobody reads", async () => {
    begin();
    await put("new");
    const startMs = performance.now();
    await waitFor("the watch to be repaired", () => held() === "new" || undefined, repairMaxMs + slackMs);
    process.stdout.write(`repaired after ${Math.round(performance.now() - startMs)} ms\n`);
    end();
  });
});

it("a server that no member answers says since when, refuses consistent reads, and follows again", async () => {
  for (const index of [0, 1, 2]) cluster.signal(index, "SIGSTOP");
  const refused = expect(behind.registry.barrier()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await waitFor(
    "the server to notice",
    () => !behind.registry.contact().following || undefined,
    repairMaxMs + 2 * etcdLimits.connectTimeoutMs + slackMs,
  );
  await refused;
  const { lastContactMs } = behind.registry.contact();
  await waitFor("time to pass", () => behind.registry.contact().lastContactMs > lastContactMs || undefined);
  expect(held()).toBe("old");
  for (const index of [0, 1, 2]) cluster.signal(index, "SIGCONT");
  await waitFor("the server to follow", () => behind.registry.contact().following || undefined);
  await waitFor("the others to write", () =>
    put("new").then(
      () => true,
      () => undefined,
    ),
  );
  await behind.registry.barrier();
  expect(held()).toBe("new");
});

/**
 * Keys over HTTP beside etcd's JSON gateway: each server on core 0, the load on core 1, the two in turns. A PUT is
 * answered when it is on disk, by both. Sixteen connections, or one where the time of a single caller counts.
 */
import type { LoadSpec } from "./http-load.ts";
import { type KvServer, type Loaded, loaded, withKvServers } from "./kv-servers.ts";
import { type BenchResult, type BenchRow, benchRow, machine } from "./result.ts";

export interface KvBenchOptions {
  readonly rounds?: number;
  readonly roundSeconds?: number;
}

type Request = Pick<LoadSpec, "method" | "path" | "body">;

const keys = 1000;
const [many, one] = [16, 1];

const requests: Readonly<Record<"get" | "put", Readonly<Record<KvServer["name"], Request>>>> = {
  get: {
    heddle: { method: "GET", path: "/v1/kv/{key}" },
    etcd: { method: "POST", path: "/v3/kv/range", body: '{"key":"{key64}"}' },
  },
  put: {
    heddle: { method: "PUT", path: "/v1/kv/{key}", body: "{value}" },
    etcd: { method: "POST", path: "/v3/kv/put", body: '{"key":"{key64}","value":"{value64}"}' },
  },
};

export function measureKv({ rounds = 5, roundSeconds = 2 }: KvBenchOptions = {}): Promise<BenchResult> {
  return withKvServers(async (servers) => {
    const rows: BenchRow[] = [];
    for (const [name, connections] of [
      ["put", many],
      ["put", one],
      ["get", many],
      ["get", one],
    ] as const) {
      const figures = { heddle: [] as Loaded[], etcd: [] as Loaded[] };
      for (let round = -1; round < rounds; round++) {
        for (const server of servers) {
          const spec = { ...requests[name][server.name], connections, seconds: roundSeconds, keys };
          const figure = await loaded(server, spec);
          // The first one warms up, and writes the keys that are read later.
          if (round >= 0) figures[server.name].push(figure);
        }
      }
      rows.push(...rowsOf(name, connections, figures));
    }
    return { bench: "kv", machine: machine(), rows };
  });
}

function rowsOf(
  name: "get" | "put",
  connections: number,
  figures: Readonly<Record<KvServer["name"], readonly Loaded[]>>,
): BenchRow[] {
  const row = (metric: string, field: keyof Loaded, budget: Partial<Parameters<typeof benchRow>[0]> = {}) =>
    benchRow({
      metric: `${name}_${connections}_${metric}`,
      heddle: figures.heddle.map((figure) => figure[field]),
      peers: { etcd: figures.etcd.map((figure) => figure[field]) },
      ...budget,
    });
  if (connections === one) return [row("p50_ms", "p50Ms"), row("p99_ms", "p99Ms")];
  return [
    row("per_second", "perSecond", { budget: name === "get" ? 3 : 1, bound: "at least" }),
    row("cpu_us", "cpuMicros"),
    row("p99_ms", "p99Ms"),
  ];
}

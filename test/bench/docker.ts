/**
 * 200 container starts and stops on each network driver of one engine, in alternation. The driver's part of them is
 * `docker network connect` and `disconnect` of a running container, measured 50 times each, as everything else of
 * a start is the same for all and many times larger.
 *
 * `overlay` is Docker's own across engines; it needs swarm mode, so the engine is a swarm of one.
 */
import { Agent, request } from "node:http";
import { DockerFabric } from "../lab/docker-fabric.ts";
import { image } from "../lab/engine.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";

export interface DockerBenchOptions {
  /** Starts and stops of each driver; a quarter as many connections and disconnections. */
  readonly rounds?: number;
  /** Rounds before those, which do not count. */
  readonly warmupRounds?: number;
}

const drivers = ["heddle", "bridge", "overlay"] as const;
type Driver = (typeof drivers)[number];
type Times = Record<Driver, number[]>;

export async function measureDocker({
  rounds = 200,
  warmupRounds = 5,
}: DockerBenchOptions = {}): Promise<BenchResult> {
  const lab = new DockerFabric(1);
  try {
    await lab.start();
    return await measure(lab, rounds, warmupRounds);
  } finally {
    await lab.dispose();
  }
}

async function measure(lab: DockerFabric, rounds: number, warmupRounds: number): Promise<BenchResult> {
  const host = lab.host(0);
  const create = (...args: readonly string[]) => lab.docker(host, "network", "create", ...args);
  lab.docker(host, "swarm", "init", "--advertise-addr", host.address);
  create("-d", "heddle", "--ipam-driver", "heddle", "--subnet", "10.90.0.0/16", "heddle");
  create("-d", "bridge", "--subnet", "10.91.0.0/16", "own-bridge");
  create("-d", "overlay", "--attachable", "--subnet", "10.92.0.0/16", "own-overlay");
  const names: Record<Driver, string> = { heddle: "heddle", bridge: "own-bridge", overlay: "own-overlay" };
  const api = engineApi(lab.engine(host).socketPath);

  const [connect, disconnect, start, stop] = [times(), times(), times(), times()];
  const idle = await api.create("idle", "bridge");
  await api.start(idle);
  for (let round = 0; round < warmupRounds + rounds / 4; round++) {
    for (const driver of drivers) {
      connect[driver].push(await timed(() => api.connect(names[driver], idle)));
      disconnect[driver].push(await timed(() => api.disconnect(names[driver], idle)));
    }
  }
  for (let round = 0; round < warmupRounds + rounds; round++) {
    for (const driver of drivers) {
      const id = await api.create(`c${round}${driver}`, names[driver]);
      start[driver].push(await timed(() => api.start(id)));
      stop[driver].push(await timed(() => api.stop(id)));
      await api.remove(id);
    }
  }
  const metric = (name: string, all: Times) => {
    const counted = (driver: Driver) => all[driver].slice(warmupRounds);
    const peers = { bridge: counted("bridge"), overlay: counted("overlay") };
    return benchRow({ metric: name, heddle: counted("heddle"), peers });
  };
  return {
    bench: "docker",
    machine: machine(),
    rows: [
      metric("connect_ms", connect),
      metric("disconnect_ms", disconnect),
      metric("start_ms", start),
      metric("stop_ms", stop),
    ],
  };
}

function times(): Times {
  return { heddle: [], bridge: [], overlay: [] };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** The engine's API itself, as its command line costs more than what is measured. */
function engineApi(socketPath: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (path: string, body: object = {}) => call("POST", path, body);
  const call = (method: string, path: string, body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        host: "docker",
      };
      const sent = request({ socketPath, path: `/v1.41${path}`, method, headers, agent }, (response) => {
        let answer = "";
        response.on("data", (data: Buffer) => {
          answer += data.toString();
        });
        response.on("end", () => {
          if ((response.statusCode ?? 500) < 400) resolve(answer);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
        });
      });
      sent.on("error", reject);
      sent.end(text);
    });
  return {
    create: async (name: string, network: string) => {
      const config = { Image: image, Cmd: ["/bin/sleep", "100000"], HostConfig: { NetworkMode: network } };
      return (JSON.parse(await post(`/containers/create?name=${name}`, config)) as { Id: string }).Id;
    },
    start: (id: string) => post(`/containers/${id}/start`),
    stop: (id: string) => post(`/containers/${id}/stop?t=0`),
    remove: (id: string) => call("DELETE", `/containers/${id}?force=1`, {}),
    connect: (network: string, id: string) => post(`/networks/${network}/connect`, { Container: id }),
    disconnect: (network: string, id: string) => post(`/networks/${network}/disconnect`, { Container: id }),
  };
}

/**
 * Prometheus, finding its targets in both of its ways.
 *
 * By `dns_sd_configs`: SRV records that it reads with Go's resolver and a plain /etc/resolv.conf. Targets come with host
 * and port, are scraped by the name that the record gives them, and go.
 *
 * By `consul_sd_configs`: blocking queries over HTTP. Debian builds Prometheus without it. HEDDLE_TEST_PROMETHEUS names
 * another program, which must have it; where the one at hand says that it has not, the same scenario is run by the
 * requests that it would send (consul-discovery.ts).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Background } from "../lab/command.ts";
import { Backend } from "./backend.ts";
import { ConsulDiscovery, type DiscoveredLabels } from "./consul-discovery.ts";
import { http, OneNode } from "./one-node.ts";

const program = process.env["HEDDLE_TEST_PROMETHEUS"] ?? "prometheus";
const server = `${http.host}:${http.port}`;
let node: OneNode;

beforeAll(async () => {
  node = await OneNode.start("--dns", "127.0.0.1:53");
});
afterAll(() => node?.dispose());

function commandOf(name: string, listen: string, discovery: string): string[] {
  const configuration = `
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: fabric
${discovery}`;
  const options = {
    "config.file": node.path(`${name}.yml`, configuration),
    "storage.tsdb.path": node.path(`${name}-tsdb/`),
    "web.listen-address": listen,
  };
  return [program, ...Object.entries(options).map(([option, value]) => `--${option}=${value}`)];
}

async function targets(listen: string): Promise<readonly DiscoveredLabels[]> {
  const answer = await fetch(`http://${listen}/api/v1/targets?state=active`);
  const { data } = (await answer.json()) as {
    data: { activeTargets: { discoveredLabels: DiscoveredLabels }[] };
  };
  return data.activeTargets.map(({ discoveredLabels }) => discoveredLabels);
}

describe("dns_sd_configs", () => {
  const listen = "127.0.0.1:9090";
  let prometheus: Background;
  let [first, second]: [Backend, Backend] = [] as never;

  beforeAll(async () => {
    first = await Backend.listen("127.0.1.1", 9101);
    second = await Backend.listen("127.0.1.2", 9102);
    const discovery = `
    dns_sd_configs:
      - names: [_metrics._tcp.service.consul]
        refresh_interval: 1s`;
    const command = commandOf("dns", listen, discovery);
    prometheus = node.run(node.withResolvConf("nameserver 127.0.0.1\n", command));
  });
  afterAll(async () => {
    for (const backend of [first, second]) await backend?.stop();
  });

  const register = ({ address, port }: Backend) =>
    node.register({ ID: `metrics-${port}`, Name: "metrics", Address: address, Port: port });
  const addresses = async () =>
    (await targets(listen)).map((labels) => labels["__address__"] ?? "").toSorted();

  it("targets come, are scraped by their names, and go", async () => {
    await register(first);
    await register(second);
    await node.until("both to be scraped", prometheus, () => first.served > 0 && second.served > 0);
    expect(await addresses()).toEqual(["7f000101.addr.dc1.consul:9101", "7f000102.addr.dc1.consul:9102"]);
    await node.deregister("metrics-9101");
    await node.until("the first target to go", prometheus, async () => (await addresses()).length === 1);
  });
});

describe("consul_sd_configs", () => {
  const listen = "127.0.0.1:9091";
  const discovery = `
    consul_sd_configs:
      - server: ${server}
        tags: [a]
        refresh_interval: 1s`;
  const register = (n: number, more: Readonly<Record<string, unknown>> = {}) =>
    node.register({
      ID: `api${n}`,
      Name: "api",
      Address: "127.0.0.1",
      Port: 9200 + n,
      Tags: ["a", "b"],
      Meta: { "the-team": "x" },
      Check: { TTL: "1h", Status: "passing" },
      ...more,
    });

  /** Targets come with their labels, change, and go, each without asking again and again. */
  async function scenario(
    until: (what: string, probe: () => Promise<boolean>) => Promise<void>,
    found: () => Promise<readonly DiscoveredLabels[]>,
  ): Promise<void> {
    const all = async (label: string) => (await found()).map((labels) => labels[label] ?? "").toSorted();
    const become = (label: string, expected: readonly string[]) =>
      until(`${label} to be ${expected}`, async () => String(await all(label)) === String(expected));
    await register(1);
    await register(2);
    await register(9, { ID: "other", Name: "other", Tags: ["b"] });
    await become("__meta_consul_service_id", ["api1", "api2"]);
    const [first] = (await found()).filter((labels) => labels["__meta_consul_service_id"] === "api1");
    expect(first).toMatchObject({
      __address__: "127.0.0.1:9201",
      __meta_consul_service: "api",
      __meta_consul_dc: "dc1",
      __meta_consul_node: "n1",
      __meta_consul_tags: ",a,b,",
      __meta_consul_service_address: "127.0.0.1",
      __meta_consul_service_port: "9201",
      __meta_consul_service_metadata_the_team: "x",
      __meta_consul_health: "passing",
    });
    await register(3, { Check: { TTL: "1h", Status: "warning" } });
    await become("__meta_consul_health", ["passing", "passing", "warning"]);
    const Ports = [
      { Name: "http", Port: 9300, Default: true },
      { Name: "grpc", Port: 9301 },
    ];
    await register(2, { Port: 0, Ports });
    await become("__address__", ["127.0.0.1:9201", "127.0.0.1:9203", "127.0.0.1:9300"]);
    for (const id of ["api1", "api3"]) await node.deregister(id);
    await become("__meta_consul_service_id", ["api2"]);
    await node.deregister("api2");
    await become("__meta_consul_service_id", []);
  }

  it("targets come with their labels, change and go", async () => {
    const prometheus = node.run(commandOf("consul", listen, discovery));
    const isThere = () =>
      targets(listen).then(
        () => true,
        () => false,
      );
    while (prometheus.running && !(await isThere())) await new Promise((resolve) => setTimeout(resolve, 50));
    if (prometheus.running) {
      await scenario(
        (what, probe) => node.until(what, prometheus, probe),
        () => targets(listen),
      );
      return;
    }
    expect(process.env["HEDDLE_TEST_PROMETHEUS"], prometheus.stderr).toBeUndefined();
    expect(prometheus.stderr).toContain("field consul_sd_configs not found in type config.ScrapeConfig");
    const standIn = new ConsulDiscovery(server, ["a"]);
    const idle = node.run(["sleep", "infinity"]);
    try {
      await scenario(
        (what, probe) => node.until(what, idle, probe),
        async () => standIn.targets(),
      );
    } finally {
      standIn.stop();
    }
  });
});

/**
 * Prometheus as Debian ships it, finding its targets by `dns_sd_configs`: SRV records that it reads with Go's
 * resolver and a plain /etc/resolv.conf. (Debian builds it without `consul_sd_configs`.) Targets come with host
 * and port, are scraped by the name that the record gives them, and go.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Background } from "../lab/command.ts";
import { Backend } from "./backend.ts";
import { OneNode } from "./one-node.ts";

const listen = "127.0.0.1:9090";
let node: OneNode;
let prometheus: Background;
let [first, second]: [Backend, Backend] = [] as never;

const configuration = `
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: fabric
    dns_sd_configs:
      - names: [_metrics._tcp.service.consul]
        refresh_interval: 1s
`;

beforeAll(async () => {
  node = await OneNode.start("--dns", "127.0.0.1:53");
  first = await Backend.listen("127.0.1.1", 9101);
  second = await Backend.listen("127.0.1.2", 9102);
  const options = {
    "config.file": node.path("prometheus.yml", configuration),
    "storage.tsdb.path": node.path("tsdb/"),
    "web.listen-address": listen,
  };
  const command = ["prometheus", ...Object.entries(options).map(([name, value]) => `--${name}=${value}`)];
  prometheus = node.run(node.withResolvConf("nameserver 127.0.0.1\n", command));
});
afterAll(async () => {
  await node?.dispose();
  for (const backend of [first, second]) await backend?.stop();
});

async function targets(): Promise<readonly string[]> {
  const answer = await fetch(`http://${listen}/api/v1/targets?state=active`);
  const { data } = (await answer.json()) as {
    data: { activeTargets: { discoveredLabels: Record<string, string> }[] };
  };
  return data.activeTargets.map(({ discoveredLabels }) => discoveredLabels["__address__"] ?? "").toSorted();
}

function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  return node.until(what, prometheus, condition);
}

const register = ({ address, port }: Backend) =>
  node.register({ ID: `metrics-${port}`, Name: "metrics", Address: address, Port: port });

it("targets come, are scraped by their names, and go", { timeout: 60_000 }, async () => {
  await register(first);
  await register(second);
  await until("both targets to be scraped", () => first.served > 0 && second.served > 0);
  expect(await targets()).toEqual(["7f000101.addr.dc1.consul:9101", "7f000102.addr.dc1.consul:9102"]);
  await node.deregister("metrics-9101");
  await until("the first target to go", async () => (await targets()).length === 1);
});

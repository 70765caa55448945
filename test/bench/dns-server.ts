/**
 * A DNS server of its own process over a catalog in memory, for test/bench/dns.ts:
 *   node test/bench/dns-server.ts NAMES [worker|main] [INSTANCES]
 * It has the services s0 … sNAMES-1 with that many instances each, and prints its port when it listens.
 */
import { ipAdd, parseIp } from "../../addr/index.ts";
import { dnsServer, MemoryCatalog } from "../../dns/index.ts";

const [names = "1000", udp = "worker", instances = "1"] = process.argv.slice(2);
const catalog = new MemoryCatalog();
const first = parseIp("10.0.0.0");
for (let i = 0; i < Number(names); i++) {
  const service = Array.from({ length: Number(instances) }, (_, k) => ({
    node: `n${i + k}`,
    nodeUp: true,
    nodeAddresses: [ipAdd(first, i + k)],
    port: 80,
    tags: [],
    status: "passing" as const,
  }));
  catalog.setService(`s${i}`, service);
}
const server = dnsServer({
  listen: [{ address: parseIp("127.0.0.1"), port: 0 }],
  catalog,
  udp: udp === "main" ? "main" : "worker",
});
const [endpoint] = await server.start();
process.stdout.write(`${endpoint?.port}\n`);

/**
 * Runs on a host of a lab and tells when a name began to be answered. For each line `NAME ADDRESS` on standard
 * input it asks the host's DNS each millisecond, and prints the wall clock's milliseconds when the address was
 * in the answer for the first time.
 *
 *   nsenter --net=… node test/lab/name-watch.ts
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseIp } from "../../addr/index.ts";
import { queryDns } from "../../dns/index.ts";

const patienceMs = 5000;
const server = parseIp("127.0.0.1");

async function watch(name: string, address: string): Promise<string> {
  const endMs = performance.now() + patienceMs;
  while (performance.now() < endMs) {
    const { answers } = await queryDns({ server, port: 8600, name, type: "A" });
    if (answers.some(({ data }) => data.kind === "A" && data.address === address))
      return `${performance.timeOrigin + performance.now()}`;
    await sleep(1);
  }
  return "never";
}

for await (const line of createInterface(process.stdin)) {
  const [name = "", address = ""] = line.split(" ");
  process.stdout.write(`asking ${name}\n`);
  process.stdout.write(`${await watch(name, address)}\n`);
}

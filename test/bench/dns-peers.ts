/**
 * The name servers that we are measured beside, each with the names that test/bench/dns-server.ts has, of one type:
 * A of one instance, or SRV of three whose targets have addresses of their own. Unbound gives local data without the
 * targets' addresses: shorter replies than ours.
 */
import { createWriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ipAdd, parseIp } from "../../addr/index.ts";

export type DnsBenchType = "A" | "SRV";

export interface DnsBenchData {
  readonly type: DnsBenchType;
  /** s0, s1, … below service.consul. */
  readonly names: number;
}

export interface DnsPeer {
  /** Writes the data into the directory and answers how the server is started. */
  command(directory: string, data: DnsBenchData, port: number): Promise<readonly string[]>;
  /** Why it is not asked for these data. */
  leftOut?(data: DnsBenchData): string | undefined;
}

/** An A answer has one address, an SRV answer three targets. */
export const instancesOf: Readonly<Record<DnsBenchType, number>> = { A: 1, SRV: 3 };

const dnsmasqTargetsMax = 30_000;
const soa = "ns.consul. hostmaster.consul. 1 3600 600 86400 0";

export const dnsPeers: Readonly<Record<string, DnsPeer>> = {
  knot: {
    command: async (directory, data, port) => {
      await write(join(directory, "zone"), function* () {
        yield `$ORIGIN consul.\n@ 0 IN SOA ${soa}\n@ 0 IN NS ns\nns 0 IN A 127.0.0.1`;
        for (const [name, ip] of addresses(data)) yield `${name}. 0 IN A ${ip}`;
        for (const [name, target] of targets(data)) yield `${name}. 0 IN SRV 1 1 80 ${target}.`;
      });
      const config = `
server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${directory}/knot
template:
  - id: default
    storage: ${directory}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: consul
    file: zone
`;
      writeFileSync(join(directory, "knot.conf"), config);
      return ["knotd", "-c", join(directory, "knot.conf")];
    },
  },
  unbound: {
    command: async (directory, data, port) => {
      const path = join(directory, "unbound.conf");
      await write(path, function* () {
        yield `
server:
interface: 127.0.0.1
port: ${port}
num-threads: 1
do-daemonize: no
chroot: ""
username: ""
directory: "${directory}"
pidfile: ""
use-syslog: no
logfile: ""
verbosity: 0
local-zone: "consul." static`;
        for (const [name, ip] of addresses(data)) yield `local-data: "${name}. 0 IN A ${ip}"`;
        for (const [name, target] of targets(data)) yield `local-data: "${name}. 0 IN SRV 1 1 80 ${target}."`;
        yield "remote-control:\ncontrol-enable: no";
      });
      return ["unbound", "-c", path];
    },
  },
  dnsmasq: {
    command: async (directory, data, port) => {
      const hosts = join(directory, "hosts");
      const config = join(directory, "dnsmasq.conf");
      await write(hosts, function* () {
        for (const [name, ip] of addresses(data)) yield `${ip} ${name}`;
      });
      await write(config, function* () {
        for (const [name, target] of targets(data)) yield `srv-host=${name},${target},80,1,1`;
      });
      const where = [`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"];
      const what = ["--no-resolv", "--no-hosts", `--addn-hosts=${hosts}`, `--conf-file=${config}`];
      return ["dnsmasq", "--keep-in-foreground", "--user=root", "--pid-file", ...where, ...what];
    },
    leftOut: ({ type, names }) =>
      type === "SRV" && names * instancesOf.SRV > dnsmasqTargetsMax
        ? "it looks for SRV through one list, milliseconds a query"
        : undefined,
  },
};

/** Of the services themselves, or of the nodes that their instances are on. */
function* addresses({ type, names }: DnsBenchData): Generator<readonly [name: string, ip: string]> {
  const first = parseIp("10.0.0.0");
  if (type === "A") for (let i = 0; i < names; i++) yield [`s${i}.service.consul`, ipAdd(first, i)];
  else for (let i = 0; i < names + instancesOf.SRV - 1; i++) yield [`n${i}.node.dc1.consul`, ipAdd(first, i)];
}

function* targets({ type, names }: DnsBenchData): Generator<readonly [name: string, target: string]> {
  if (type !== "SRV") return;
  for (let i = 0; i < names; i++)
    for (let k = 0; k < instancesOf.SRV; k++) yield [`s${i}.service.consul`, `n${i + k}.node.dc1.consul`];
}

async function write(path: string, lines: () => Iterable<string>): Promise<void> {
  const ended = function* () {
    for (const line of lines()) yield `${line}\n`;
  };
  await pipeline(ended, createWriteStream(path));
}

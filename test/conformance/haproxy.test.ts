/**
 * HAProxy as Debian ships it, with servers made from SRV records: it follows a service from 1 to 20 instances and
 * down to 3 while requests go on, and none of them fails. It neither retries nor checks by itself: what its
 * servers are, it knows from DNS alone.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Backend } from "./backend.ts";
import { dns, OneNode } from "./one-node.ts";

const frontend = "127.0.0.1:8080";
const clients = 4;

let node: OneNode;
const backends: Backend[] = [];

beforeAll(async () => {
  node = await OneNode.start();
});
afterAll(async () => {
  await node?.dispose();
  for (const backend of backends) await backend.stop();
});

const configuration = `
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 10s
  timeout server 10s
resolvers heddle
  nameserver node ${dns.host}:${dns.port}
  accepted_payload_size 8192
  timeout resolve 100ms
  timeout retry 200ms
  hold valid 100ms
  hold obsolete 0s
frontend web
  bind ${frontend}
  http-request return status 503 if { path /servers } { nbsrv(web) lt 1 }
  http-request return status 200 content-type text/plain lf-string "%[nbsrv(web)]" if { path /servers }
  default_backend web
backend web
  balance roundrobin
  server-template web 20 _web._tcp.service.consul resolvers heddle resolve-prefer ipv4 init-addr none
`;

const id = ({ address }: Backend) => `web-${address}`;

async function add(): Promise<void> {
  const backend = await Backend.listen(`127.0.1.${backends.length + 1}`, 7000 + backends.length);
  backends.push(backend);
  const { address: Address, port: Port } = backend;
  await node.register({ ID: id(backend), Name: "web", Address, Port });
}

it("1 → 20 → 3 instances without one failed request", async () => {
  await add();
  const haproxy = node.run(["haproxy", "-db", "-f", node.path("haproxy.cfg", configuration)]);
  const servers = async (count: number) => {
    await node.until(`HAProxy to have ${count} servers`, haproxy, async () => {
      const answer = await fetch(`http://${frontend}/servers`);
      return (await answer.text()) === String(count);
    });
  };
  await servers(1);

  const failures: string[] = [];
  let requests = 0;
  const load = { on: true };
  const client = async () => {
    while (load.on) {
      const { status, text } = await fetch(`http://${frontend}/`).then(
        async (answer) => ({ status: answer.status, text: await answer.text() }),
        (error: unknown) => ({ status: 0, text: String(error) }),
      );
      requests++;
      if (status !== 200) failures.push(`${status} ${text}`);
    }
  };
  const running = Array.from({ length: clients }, client);

  while (backends.length < 20) await add();
  await servers(20);
  const before = backends.map(({ served }) => served);
  await node.until("each instance to be asked", haproxy, () =>
    backends.every(({ served }, i) => served > (before[i] ?? 0)),
  );
  // Withdrawn first, stopped when nobody asks them any more.
  const leaving = backends.splice(3);
  for (const backend of leaving) await node.deregister(id(backend));
  await servers(3);
  const settled = requests + 5 * clients;
  await node.until("requests under way to end", haproxy, () => requests > settled);
  for (const backend of leaving) await backend.stop();
  const end = requests + 100;
  await node.until("more requests", haproxy, () => requests > end);
  load.on = false;
  await Promise.all(running);
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(300);
});

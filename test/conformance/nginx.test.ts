/**
 * nginx as Debian ships it, with the name of a service in a variable: it asks DNS again when the TTL is over, and
 * requests follow the service. It asks for A and AAAA side by side, and takes an empty answer for the latter.
 */
import { afterAll, beforeAll, it } from "vitest";
import type { Background } from "../lab/command.ts";
import { Backend } from "./backend.ts";
import { dns, OneNode } from "./one-node.ts";

const listen = "127.0.0.1:8080";
let node: OneNode;
let nginx: Background;
let [first, second]: [Backend, Backend] = [] as never;

beforeAll(async () => {
  node = await OneNode.start();
  first = await Backend.listen("127.0.1.1", 7000);
  second = await Backend.listen("127.0.1.2", 7000);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = `
daemon off;
master_process off;
pid ${node.path("nginx.pid")};
error_log stderr;
events {}
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${node.path(`${kind}/`)};`).join("\n  ")}
  resolver ${dns.host}:${dns.port};
  server {
    listen ${listen};
    location / {
      set $upstream web.service.consul;
      proxy_pass http://$upstream:7000;
    }
  }
}
`;
  nginx = node.run(["nginx", "-e", "stderr", "-c", node.path("nginx.conf", configuration)]);
});
afterAll(async () => {
  await node?.dispose();
  for (const backend of [first, second]) await backend?.stop();
});

async function ask(): Promise<string> {
  const answer = await fetch(`http://${listen}/`);
  return `${answer.status} ${await answer.text()}`;
}

/** The last so many answers were of exactly these. */
function answers(what: string, wanted: readonly string[]): Promise<void> {
  return node.until(what, nginx, async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 10; i++) seen.add(await ask());
    return [...seen].toSorted().join() === wanted.join();
  });
}

const register = ({ address }: Backend) =>
  node.register({ ID: `web-${address}`, Name: "web", Address: address, Port: 7000 });

it("requests follow the service: none, one, two, the other", async () => {
  await node.until("nginx", nginx, async () => (await ask()).startsWith("502"));
  await register(first);
  await answers("the first instance", ["200 127.0.1.1\n"]);
  await register(second);
  await answers("both instances", ["200 127.0.1.1\n", "200 127.0.1.2\n"]);
  await node.deregister("web-127.0.1.1");
  await answers("the second instance", ["200 127.0.1.2\n"]);
});

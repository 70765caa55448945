/** The API over TLS, as an operator switches it on and as clients of Consul use it. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testAuthority } from "../fixtures/certificates.ts";
import { type Finished, waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

const [serverPort, agentPort] = [8511, 8501];
let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;
let bundle: string;

beforeAll(async () => {
  stage = await Stage.open({
    hosts: { h1: 1, h2: 1 },
    server: ["--https", `0.0.0.0:${serverPort}`, "--http-host", "api.example"],
    agent: (host) => (host.name === "h2" ? ["--https", `${host.address}:${agentPort}`] : []),
  });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
  const directory = mkdtempSync(join(tmpdir(), "heddle-https-"));
  bundle = join(directory, "ca.pem");
  writeFileSync(bundle, h2.run(h2.heddle("ca", "show")));
});
afterAll(() => stage?.dispose());

function curl(host: Host, url: string, ...options: readonly string[]): Promise<Finished> {
  return host.runAsync(["curl", "-sS", "--max-time", "10", "--cacert", bundle, ...options, url]);
}

/** What a name or an address of the listener answers. */
async function asks(
  host: Host,
  name: string,
  at: Host,
  port: number,
  path = "/v1/kv/x?keys",
): Promise<string> {
  const resolve = ["--resolve", `${name}:${port}:${at.address}`];
  const { status, stdout, stderr } = await curl(host, `https://${name}:${port}${path}`, ...resolve);
  return status === 0 ? stdout : stderr;
}

it("an agent and a server are reached from other hosts by address and by the names that clients expect", async () => {
  await stage.http(h1, "PUT", "/v1/kv/x", "1");
  const answers = [
    () => asks(h1, h2.address, h2, agentPort),
    ...["h2", "h2.node.consul", "h2.node.dc1.heddle"].map((name) => () => asks(h1, name, h2, agentPort)),
    () => asks(h2, h1.address, h1, serverPort),
    ...["server.dc1.consul", "api.example"].map((name) => () => asks(h2, name, h1, serverPort)),
  ];
  for (const answer of answers)
    await waitFor("an answer over TLS", async () => (await answer()) === '["x"]' || undefined);
  expect(await asks(h1, "other.example", h2, agentPort)).toMatch(/no alternative certificate subject name/);
});

it("openssl sees TLS 1.2 and HTTP/1.1, verified", () => {
  const { status, stdout } = h1.tryRun(
    [
      ...["openssl", "s_client", "-connect", `${h2.address}:${agentPort}`, "-CAfile", bundle],
      ...["-verify_return_error", "-verify_ip", h2.address, "-tls1_2", "-alpn", "h2,http/1.1"],
    ],
    { input: "" },
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/ALPN protocol: http\/1\.1/);
  expect(stdout).toMatch(/Protocol *: TLSv1\.2|New, TLSv1\.2/);
  expect(stdout).toMatch(/Verify return code: 0/);
});

it("the command line talks to it as Consul's does", () => {
  const url = `https://${h2.address}:${agentPort}`;
  expect(h1.run([...h1.heddle("kv", "get", "x"), "--http", url, "--ca-file", bundle])).toBe("1");
  const env = { CONSUL_HTTP_ADDR: `${h2.address}:${agentPort}`, CONSUL_HTTP_SSL: "true" };
  const get = h1.heddle("kv", "get", "x");
  expect(h1.run(get, { env: { ...env, CONSUL_CACERT: bundle } })).toBe("1");
  expect(h1.run(get, { env: { ...env, CONSUL_HTTP_SSL_VERIFY: "false" } })).toBe("1");
  const unknown = h1.tryRun(get, { env });
  expect([unknown.status, unknown.stderr]).toEqual([3, expect.stringMatching(/heddle ca show/)]);
  const missing = h1.tryRun(get, { env: { ...env, CONSUL_CACERT: "/no/such.pem" } });
  expect([missing.status, missing.stderr]).toEqual([2, expect.stringMatching(/such\.pem: ENOENT/)]);
});

it("the authority is shown in Consul's shape, by agents too", async () => {
  for (const path of ["/v1/connect/ca/roots", "/v1/agent/connect/ca/roots"]) {
    const { body } = await stage.http(h2, "GET", path);
    const { ActiveRootID, Roots } = JSON.parse(body) as { ActiveRootID: string; Roots: { ID: string }[] };
    expect(Roots).toMatchObject([{ ID: ActiveRootID, RootCert: readFileSync(bundle, "utf8"), Active: true }]);
    expect((await stage.http(h2, "GET", `${path}?pem=true`)).body).toBe(readFileSync(bundle, "utf8"));
  }
});

it("an agent that finds no server shows the certificate that it had", async () => {
  await stage.fabric.agent(h2).stop();
  await stage.fabric.server.killHard();
  await stage.startAgent(h2);
  expect(await asks(h1, h2.address, h2, agentPort, "/v1/agent/self")).toContain('"NodeName":"h2"');
  await stage.fabric.startServer("--https", `0.0.0.0:${serverPort}`);
});

describe("a certificate of the operator's own", () => {
  const directory = mkdtempSync(join(tmpdir(), "heddle-https-own-"));
  const [cert, key, clients] = ["cert.pem", "key.pem", "clients.pem"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const files = ["--https-cert", cert, "--https-key", key];

  it("is used, and the next one after SIGHUP; clients are held to theirs", async () => {
    const [authority, people] = await Promise.all([testAuthority(), testAuthority()]);
    const write = async () => {
      const own = await authority.serve("own.example");
      writeFileSync(cert, own.cert);
      writeFileSync(key, own.key);
    };
    await write();
    writeFileSync(clients, people.certificate);
    const ca = join(directory, "ca.pem");
    writeFileSync(ca, authority.certificate);
    const [mine, mineKey] = [join(directory, "me.pem"), join(directory, "me-key.pem")];
    const me = await people.identify("me");
    writeFileSync(mine, me.cert);
    writeFileSync(mineKey, me.key);
    await stage.fabric.agent(h2).stop();
    const agent = await stage.fabric.startAgent(
      h2,
      ...["--https", `${h2.address}:${agentPort}`, ...files, "--https-client-ca", clients],
    );
    const url = `https://own.example:${agentPort}/v1/agent/self`;
    const at = ["--resolve", `own.example:${agentPort}:${h2.address}`, "--cacert", ca];
    const withMine = [...at, "--cert", mine, "--key", mineKey];
    expect((await curl(h1, url, ...withMine)).stdout).toContain('"NodeName":"h2"');
    expect((await curl(h1, url, ...at)).status).not.toBe(0);
    const serial = () =>
      h1.tryRun([
        "sh",
        "-c",
        `openssl s_client -connect ${h2.address}:${agentPort} </dev/null | openssl x509 -noout -serial`,
      ]).stdout;
    const before = serial();
    await write();
    agent.kill("SIGHUP");
    await waitFor("the new certificate", () => serial() !== before || undefined);
    expect((await curl(h1, url, ...withMine)).stdout).toContain('"NodeName":"h2"');
  });

  const server = (...options: readonly string[]) =>
    h1.tryRun([
      ...h1.heddle("server", "--store", "memory", "--http", "127.0.0.1:8599", "--grpc", "127.0.0.1:8598"),
      ...["--data-dir", directory, "--run-dir", directory, ...options],
    ]);

  it.each([
    ["--https-cert without --https-key", ["--https", ":8597", "--https-cert", cert], /give both or none/],
    ["files without --https", files, /say where to listen/],
    ["no address", ["--https", "nowhere"], /--https "nowhere"/],
    [
      "a file that is not there",
      ["--https", ":8597", ...files, "--https-client-ca", "/no.pem"],
      /\/no\.pem.*ENOENT/,
    ],
    [
      "a key of another",
      ["--https", ":8597", "--https-cert", cert, "--https-key", clients],
      /key that belongs/,
    ],
  ])("is refused with %s", (_what, options, why) => {
    const { status, stderr } = server(...options);
    expect([status, stderr]).toEqual([2, expect.stringMatching(why)]);
  });

  it("is refused where the process may not read it", () => {
    const { status, stderr } = h1.tryRun([
      ...["setpriv", "--reuid", "65534", "--clear-groups"],
      ...h1.heddle("server", "--store", "memory", "--http", "127.0.0.1:8599", "--grpc", "127.0.0.1:8598"),
      ...["--data-dir", "/tmp", "--run-dir", mkdtempSync("/tmp/nobody-"), "--https", ":8597", ...files],
    ]);
    expect([status, stderr]).toEqual([expect.any(Number), expect.stringMatching(/EACCES/)]);
  });

  it("is needed where there is no authority", () => {
    const { status, stderr } = h2.tryRun([
      ...h2.heddle(
        "agent",
        "--server",
        h1.address,
        "--insecure",
        "--https",
        ":8597",
        "--data-dir",
        directory,
      ),
      ...["--run-dir", directory, "--http", "127.0.0.1:8599", "--dns", "127.0.0.1:8596", "--no-docker"],
    ]);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/give --https-cert/)]);
  });
});

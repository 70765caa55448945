/** The API over TLS: with Consul's npm client, with its own, and with what a stranger may send. */
import { connect as connectPlain } from "node:net";
import { connect, type SecureVersion, type TLSSocket } from "node:tls";
import Consul from "consul";
import { describe, expect, onTestFinished, test } from "vitest";
import { startApi } from "../../test/fixtures/api.ts";
import { type TestAuthority, testAuthority } from "../../test/fixtures/certificates.ts";
import { ApiClient } from "../client.ts";
import { type HttpLimits, HttpServer } from "../http/index.ts";
import type { ServingCertificate } from "./certificate-source.ts";

/** A source that the test tells what there is. */
class Told {
  #apply: ((certificate: ServingCertificate) => void) | undefined;
  #now: ServingCertificate | undefined;
  isFollowed = false;

  tell(certificate: ServingCertificate): void {
    this.#now = certificate;
    this.#apply?.(certificate);
  }

  follow(apply: (certificate: ServingCertificate) => void): () => void {
    this.#apply = apply;
    this.isFollowed = true;
    if (this.#now) apply(this.#now);
    return () => {
      this.isFollowed = false;
    };
  }
}

async function start(
  options: { readonly demands?: boolean; readonly certificate?: ServingCertificate } = {},
) {
  const authority = await testAuthority();
  const certificate = new Told();
  certificate.tell(options.certificate ?? (await authority.serve()));
  return { authority, certificate, ...(await listen(certificate, options.demands)) };
}

async function listen(certificate: Told, demands = false, limits: Partial<HttpLimits> = {}) {
  const { handle } = await startApi();
  const refused: string[] = [];
  const https = await HttpServer.listen({
    handle,
    listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
    limits,
    tls: {
      certificate,
      demandsClientCertificate: demands,
      onRefused: (_address, why) => refused.push(why),
    },
  });
  onTestFinished(() => https.close());
  return { https, refused, port: https.port };
}

const unreachable = expect.objectContaining({ code: "API_UNREACHABLE" });

function clientOf(port: number, authority: string, own: object = {}): ApiClient {
  return new ApiClient({ kind: "tls", host: "127.0.0.1", port }, { tls: { authority, ...own } });
}

function open(port: number, authority: TestAuthority, version?: SecureVersion): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // OpenSSL itself would not speak the old ones.
    const versions = version && { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
    const socket = connect({ host: "127.0.0.1", port, ca: authority.certificate, ...versions }, () =>
      resolve(socket),
    );
    socket.once("error", reject);
    onTestFinished(() => void socket.destroy());
  });
}

/** The serial number of what is shown to one who connects now. */
async function shown(port: number, authority: TestAuthority): Promise<string> {
  return (await open(port, authority)).getPeerCertificate().serialNumber;
}

describe("HTTPS", () => {
  test("serves Consul's client and our own, who verify it", async () => {
    const { port, authority } = await start();
    const consul = new Consul({
      host: "127.0.0.1",
      port,
      secure: true,
      ca: [authority.certificate],
    } as never);
    await consul.kv.set("a", "b");
    expect(await consul.kv.get("a")).toMatchObject({ Value: "b" });
    expect((await clientOf(port, authority.certificate).kvGet("a"))?.toString()).toBe("b");
    const named = new ApiClient(
      { kind: "tls", host: "localhost", port },
      { tls: { authority: authority.certificate } },
    );
    expect((await named.kvGet("a"))?.toString()).toBe("b");
  });

  test("wakes a query that waits", async () => {
    const { port, authority } = await start();
    const client = clientOf(port, authority.certificate);
    await client.kvPut("a", "1");
    const { headers } = await client.exchange("GET", "/v1/kv/a");
    const waiting = client.exchange("GET", `/v1/kv/a?index=${String(headers["x-consul-index"])}&wait=30s`);
    await client.kvPut("a", "2");
    expect(JSON.parse((await waiting).body.toString())).toMatchObject([{ Value: btoa("2") }]);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
    const { port, authority } = await start();
    expect((await open(port, authority, version)).getProtocol()).toBe(version);
  });

  test("speaks nothing older", async () => {
    const { port, authority, refused } = await start();
    await expect(open(port, authority, "TLSv1.1")).rejects.toThrow();
    expect(refused).toEqual([expect.stringMatching(/unsupported protocol/)]);
  });

  test("is not believed by one who trusts another authority, or calls it by another name", async () => {
    const { port, authority } = await start();
    const other = await testAuthority();
    await expect(clientOf(port, other.certificate).kvGet("a")).rejects.toEqual(unreachable);
    const serverName = "elsewhere.example";
    await expect(clientOf(port, authority.certificate, { serverName }).kvGet("a")).rejects.toThrow(
      /tls-server-name/,
    );
    expect(await clientOf(port, other.certificate, { verify: false }).kvGet("a")).toBeUndefined();
  });

  test("shows a new certificate to new connections and leaves the old ones alone", async () => {
    const { port, authority, certificate } = await start();
    const kept = await open(port, authority);
    const before = await shown(port, authority);
    certificate.tell(await authority.serve());
    expect(await shown(port, authority)).not.toBe(before);
    kept.write("GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const answer = await new Promise<string>((resolve) =>
      kept.once("data", (chunk) => resolve(String(chunk))),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
  });

  test("holds the port until there is a certificate", async () => {
    const certificate = new Told();
    const { port, refused } = await listen(certificate);
    const authority = await testAuthority();
    await expect(clientOf(port, authority.certificate).kvGet("a")).rejects.toEqual(unreachable);
    expect(refused).toHaveLength(1);
    certificate.tell(await authority.serve());
    expect(await clientOf(port, authority.certificate).kvGet("a")).toBeUndefined();
  });

  test("demands a certificate of one authority, where it is told to", async () => {
    const authority = await testAuthority();
    const clients = await testAuthority();
    const own = { ...(await authority.serve()), clientAuthority: clients.certificate };
    const { port, refused } = await start({ demands: true, certificate: own });
    const good = await clients.identify("n1");
    expect(await clientOf(port, authority.certificate, good).kvGet("a")).toBeUndefined();
    for (const bad of [{}, await authority.identify("n1")])
      await expect(clientOf(port, authority.certificate, bad).kvGet("a")).rejects.toEqual(unreachable);
    expect(refused).toHaveLength(2);
  });

  test("turns plain text away, and one who says nothing", async () => {
    const { port, refused } = await start();
    const socket = connectPlain(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
    await new Promise((resolve) => socket.once("close", resolve));
    expect(refused).toHaveLength(1);
  });

  test("ends with its listener, and then follows no certificate", async () => {
    const { https, port, authority, certificate } = await start();
    const idle = await open(port, authority);
    const ended = new Promise((resolve) => idle.once("close", resolve));
    await https.close();
    await ended;
    expect(certificate.isFollowed).toBe(false);
    await expect(open(port, authority)).rejects.toThrow();
  });

  test("ends at once though somebody is in the middle of a handshake, or says nothing", async () => {
    const certificate = new Told();
    const authority = await testAuthority();
    certificate.tell(await authority.serve());
    const { https, port } = await listen(certificate, false, { handshakeMs: 600_000, closeGraceMs: 600_000 });
    const strangers = [Buffer.alloc(0), Buffer.from([22, 3, 1])].map((begun) => {
      const socket = connectPlain(port, "127.0.0.1", () => socket.write(begun));
      socket.on("error", () => undefined);
      return new Promise((resolve) => socket.once("close", resolve));
    });
    // Who comes later is answered, so both were accepted.
    await clientOf(port, authority.certificate).kvGet("a");
    await https.close();
    await Promise.all(strangers);
  });
});

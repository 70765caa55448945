import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startHttp, talk } from "../../test/fixtures/raw-http.ts";
import { ApiClient, parseApiAddress } from "../client.ts";
import type { ApiHandler } from "../request.ts";
import { HttpServer } from "./index.ts";

const echo: ApiHandler = async ({ method, target, body }) => ({
  status: 200,
  headers: { "Content-Type": "text/plain" },
  body: `${method} ${target} ${Buffer.from(body).toString()}`,
});

describe("the listener", () => {
  test("hands requests on and answers on one connection many times", async () => {
    const { client, http } = await startHttp(echo);
    expect((await client.exchange("PUT", "/a?b", "body")).body.toString()).toBe("PUT /a?b body");
    const two = await talk(
      http.port,
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    expect(two).toMatch(/GET \/1[\s\S]*GET \/2/);
  });

  test("refuses a body over its limit, announced or not", async () => {
    const { http } = await startHttp(echo, { bodyBytesMax: 10 });
    expect(
      await talk(http.port, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890"),
    ).toMatch(/^HTTP\/1.1 413/);
    const chunked =
      "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    expect(await talk(http.port, chunked)).toMatch(/^HTTP\/1.1 413/);
  });

  test("refuses headers over their limit and what is not HTTP", async () => {
    const { http } = await startHttp(echo, { headerBytesMax: 1024 });
    expect(await talk(http.port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(2000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431/,
    );
    expect(await talk(http.port, "hello\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
  });

  /** As Slowloris does: a connection costs its maker nothing, and the server what it allows. */
  test.each([
    ["say nothing", ""],
    ["begin headers", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ["begin a body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"],
  ])(
    "hundreds who %s are ended when their time is over, and keep nobody from being served",
    async (_, text) => {
      const { http, client } = await startHttp(echo, { headersTimeoutMs: 400, requestTimeoutMs: 400 });
      let open = 300;
      const slow = Array.from({ length: open }, () => talk(http.port, text).finally(() => open--));
      let served = 0;
      while (open > 0) {
        expect((await client.exchange("GET", "/")).status).toBe(200);
        served++;
      }
      expect(served).toBeGreaterThan(1);
      const answers = await Promise.all(slow);
      expect(answers.every((answer) => answer === "" || answer.startsWith("HTTP/1.1 408"))).toBe(true);
    },
  );

  test("says on which address it cannot listen", async () => {
    const { http } = await startHttp(echo);
    const again = HttpServer.listen({
      handle: echo,
      listen: { kind: "tcp", host: "127.0.0.1", port: http.port },
    });
    await expect(again).rejects.toMatchObject({
      code: "API_LISTEN",
      message: expect.stringContaining(`127.0.0.1:${http.port}`),
    });
  });

  test("a unix socket is for its owner only, replaces a dead one and is gone after close", async () => {
    const directory = mkdtempSync(join(tmpdir(), "heddle-http-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "api.sock");
    for (let at = 0; at < 2; at++) {
      const http = await HttpServer.listen({ handle: echo, listen: { kind: "unix", path } });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect((await new ApiClient(parseApiAddress(`unix:${path}`)).exchange("GET", "/")).status).toBe(200);
      await http.close();
    }
    expect(existsSync(path)).toBe(false);
  });

  test("close() waits for a request under way, but not for ever", async () => {
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let arrived = () => {};
    const inside = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const slow: ApiHandler = async (request) => {
      arrived();
      await held;
      return echo(request);
    };
    const { http, client } = await startHttp(slow, { closeGraceMs: 60_000 });
    const answer = client.exchange("GET", "/slow");
    await inside;
    const closed = http.close();
    finish();
    expect((await answer).body.toString()).toContain("/slow");
    await closed;

    const stuck = await startHttp(() => new Promise(() => undefined), { closeGraceMs: 1 });
    const lost = stuck.client.exchange("GET", "/");
    const refused = expect(lost).rejects.toMatchObject({ code: "API_UNREACHABLE" });
    await new Promise<void>((resolve) => setTimeout(resolve, 20));
    await stuck.http.close();
    await refused;
  });
});

describe("the client", () => {
  test("says that nobody listens and what to do", async () => {
    const { http, client } = await startHttp(echo);
    await http.close();
    await expect(client.status()).rejects.toMatchObject({
      code: "API_UNREACHABLE",
      message: expect.stringContaining("is heddle running? start it with `heddle up`"),
    });
    const nowhere = new ApiClient({ kind: "unix", path: "/nonexistent/api.sock" });
    await expect(nowhere.status()).rejects.toMatchObject({ code: "API_UNREACHABLE" });
  });

  test("gives up after its time", async () => {
    const { http } = await startHttp(() => new Promise(() => undefined), { closeGraceMs: 1 });
    const client = new ApiClient({ kind: "tcp", host: "127.0.0.1", port: http.port }, { timeoutMs: 20 });
    await expect(client.status()).rejects.toMatchObject({ code: "API_TIMEOUT" });
  });

  test("tells an answer that it cannot use", async () => {
    const { client } = await startHttp(echo);
    await expect(client.status()).rejects.toMatchObject({ code: "API_RESPONSE" });
    const { client: refused } = await startHttp(async () => ({
      status: 500,
      headers: {},
      body: "No cluster leader",
    }));
    await expect(refused.nodes()).rejects.toMatchObject({ code: "API_RESPONSE", details: { status: 500 } });
  });

  test.each([
    ["http://127.0.0.1:8500", { kind: "tcp", host: "127.0.0.1", port: 8500 }],
    ["http://[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
    ["unix:/run/x.sock", { kind: "unix", path: "/run/x.sock" }],
  ])("parseApiAddress(%j)", (text, address) => {
    expect(parseApiAddress(text)).toEqual(address);
  });

  test.each(["", "127.0.0.1:8500", "ftp://x", "http://x/path"])("parseApiAddress(%j) is refused", (text) => {
    expect(() => parseApiAddress(text)).toThrow(expect.objectContaining({ code: "API_BAD_REQUEST" }));
  });
});

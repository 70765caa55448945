import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../clock/index.ts";
import type { ContainerExec, HttpCheck, ProbeDefinition } from "../check.ts";
import { healthLimits } from "../limits.ts";
import { OutputTail } from "./output.ts";
import { type ProbeResult, runProbe } from "./probe.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

function serve(listener: RequestListener): Promise<number> {
  return listen(createServer(listener));
}

function run(check: ProbeDefinition, timeoutMs = 5000, exec?: ContainerExec): Promise<ProbeResult> {
  const signal = AbortSignal.timeout(timeoutMs);
  return runProbe(check, { clock: systemClock, limits: healthLimits, signal, timeoutMs }, exec);
}

function http(url: string, more: Partial<HttpCheck> = {}): HttpCheck {
  return { id: "c", kind: "http", url, intervalMs: 1000, ...more };
}

function script(...args: string[]): ProbeDefinition {
  return { id: "c", kind: "script", args, intervalMs: 1000 };
}

describe("HTTP", () => {
  it.each([
    [200, "passing"],
    [204, "passing"],
    [299, "passing"],
    [304, "critical"],
    [404, "critical"],
    [429, "warning"],
    [500, "critical"],
  ])("%i is %s", async (code, status) => {
    const port = await serve((_, response) => response.writeHead(code).end());
    expect((await run(http(`http://127.0.0.1:${port}/`))).status).toBe(status);
  });

  it("sends method, headers and body", async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on("end", () => {
        seen.push(request.method, request.headers["x-a"], request.headers.host, body);
        response.end("fine");
      });
    });
    const headers = { "X-A": ["1", "2"], Host: ["web.test"] };
    const check = http(`http://127.0.0.1:${port}/x`, { method: "POST", headers, body: "hi" });
    expect(await run(check)).toEqual({
      status: "passing",
      output: `HTTP POST http://127.0.0.1:${port}/x: 200 OK Output: fine`,
    });
    expect(seen).toEqual(["POST", "1, 2", "web.test", "hi"]);
  });

  it("follows redirects, gives its headers to no other origin, and stops going in circles", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers["authorization"]);
      response.end();
    });
    const port = await serve((request, response) => {
      const location = request.url === "/loop" ? "/loop" : `http://127.0.0.1:${other}/`;
      response.writeHead(302, { location }).end();
    });
    const headers = { Authorization: ["secret"] };
    expect((await run(http(`http://127.0.0.1:${port}/`, { headers }))).status).toBe("passing");
    expect(seen).toEqual([undefined]);
    expect((await run(http(`http://127.0.0.1:${port}/loop`))).output).toContain("stopped after 10 redirects");
    const stay = await run(http(`http://127.0.0.1:${port}/`, { disableRedirects: true }));
    expect(stay.status).toBe("critical");
  });

  it("reads no more of an endless body than it keeps", async () => {
    const port = await serve((_, response) => {
      const pump = () => {
        while (!response.destroyed && response.write("é".repeat(1000)));
      };
      response.on("drain", pump);
      pump();
    });
    const result = await run(http(`http://127.0.0.1:${port}/`));
    expect(result.status).toBe("passing");
    expect(Buffer.byteLength(result.output)).toBeLessThanOrEqual(4096);
    expect(result.output).not.toContain("\uFFFD");
  });

  it("is critical when nothing answers in time, when the connection breaks, and when nobody listens", async () => {
    const silent = await serve(() => {});
    expect(await run(http(`http://127.0.0.1:${silent}/`), 50)).toMatchObject({
      status: "critical",
      output: expect.stringContaining("no answer within 50 ms"),
    });
    const broken = await serve((request) => request.socket.destroy());
    expect((await run(http(`http://127.0.0.1:${broken}/`))).output).toContain("socket hang up");
    const upgrading = await listen(
      createTcpServer((socket) =>
        socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
      ),
    );
    expect((await run(http(`http://127.0.0.1:${upgrading}/`), 1000)).status).toBe("critical");
    expect((await run(http("http://127.0.0.1:1/"))).output).toContain("ECONNREFUSED");
  });

  it("verifies certificates unless told not to", async () => {
    const directory = mkdtempSync(join(tmpdir(), "heddle-"));
    closers.push(() => rmSync(directory, { recursive: true }));
    const [key, cert] = [join(directory, "key"), join(directory, "cert")];
    const subject = ["-subj", "/CN=web.test", "-addext", "subjectAltName=DNS:web.test"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    execFileSync("openssl", ["req", "-x509", "-nodes", ...curve, "-keyout", key, "-out", cert, ...subject], {
      stdio: "ignore",
    });
    const options = { key: readFileSync(key), cert: readFileSync(cert) };
    const port = await listen(createTlsServer(options, (_, response) => response.end()));
    expect((await run(http(`https://127.0.0.1:${port}/`))).status).toBe("critical");
    expect((await run(http(`https://127.0.0.1:${port}/`, { tlsSkipVerify: true }))).status).toBe("passing");
  });
});

describe("TCP", () => {
  const tcp = (port: number): ProbeDefinition => ({
    id: "c",
    kind: "tcp",
    host: "localhost",
    port,
    intervalMs: 1000,
  });

  it("passes on connect and is critical on refusal", async () => {
    const port = await listen(createTcpServer((socket) => socket.destroy()));
    expect(await run(tcp(port))).toEqual({
      status: "passing",
      output: `TCP connect localhost:${port}: Success`,
    });
    expect((await run(tcp(1))).output).toContain("ECONNREFUSED");
  });
});

describe("script", () => {
  it.each([
    ["exit 0", "passing"],
    ["exit 1", "warning"],
    ["exit 2", "critical"],
    ["kill -9 $$", "critical"],
  ])("%s is %s", async (line, status) => {
    expect((await run(script("sh", "-c", line))).status).toBe(status);
  });

  it("keeps stdout and stderr, no more than the last 4 KiB", async () => {
    expect((await run(script("sh", "-c", "echo a; echo b >&2"))).output.split("\n").sort()).toEqual([
      "",
      "a",
      "b",
    ]);
    const { output } = await run(script("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo end"));
    expect(output).toMatch(/^x{4092}end\n$/);
  });

  it("is critical when the program does not exist", async () => {
    expect((await run(script("/nonexistent"))).output).toContain("ENOENT");
  });

  it("kills the whole process group when its time is over", async () => {
    const result = await run(script("sh", "-c", "sleep 1000.25 & sleep 1000.25"), 200);
    expect(result).toEqual({ status: "critical", output: "Timed out (200 ms) running check" });
    await vi.waitFor(() => expect(processesNamed("1000.25")).toBe(0));
  });

  it("has ended when the program has, though a child keeps its output open", async () => {
    const result = await run(script("sh", "-c", "echo up; sleep 3.75 & exit 0"), 3000);
    expect(result).toEqual({ status: "passing", output: "up\n" });
  });
});

function processesNamed(argument: string): number {
  const lines = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line === `sleep ${argument}`).length;
}

it("output never begins in the middle of a character", () => {
  const tail = new OutputTail(4);
  tail.push(Buffer.from("aéééb"));
  expect(tail.text()).toBe("éb");
});

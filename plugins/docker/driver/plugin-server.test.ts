import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { installDocker, uninstallDocker } from "./install.ts";
import { PluginServer } from "./plugin-server.ts";

let directory: string;
let server: PluginServer | undefined;
const socketPath = () => join(directory, "plugins", "heddle.sock");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-docker-"));
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

async function listen(limits: { bodyBytesMax?: number } = {}): Promise<void> {
  const answer = async (method: string, body: Uint8Array) => ({
    status: method === "Known.Method" ? 200 : 404,
    body: { method, text: Buffer.from(body).toString() },
  });
  server = await PluginServer.listen({ socketPath: socketPath(), answer, limits });
}

/** As an engine does: no content type. */
function post(path: string, body: string, method = "POST"): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: socketPath(), path, method }, (response) => {
      let text = "";
      response.on("data", (data: Buffer) => {
        text += data.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("the socket is root's alone, and gone after the end", async () => {
  await listen();
  expect(statSync(socketPath()).mode & 0o777).toBe(0o600);
  await server?.close();
  server = undefined;
  expect(statSync(socketPath(), { throwIfNoEntry: false })).toBeUndefined();
});

test("a call needs no content type", async () => {
  await listen();
  const { status, text } = await post("/Known.Method", '{"a":1}');
  expect({ status, ...JSON.parse(text) }).toEqual({ status: 200, method: "Known.Method", text: '{"a":1}' });
  expect((await post("/Unknown", "")).status).toBe(404);
});

test("a body that is too large, and a call that is no POST, are refused with an object", async () => {
  await listen({ bodyBytesMax: 64 });
  const large = await post("/Known.Method", "x".repeat(100_000));
  expect(large.status).toBe(413);
  expect(JSON.parse(large.text)).toHaveProperty("Err");
  expect((await post("/Known.Method", "", "GET")).status).toBe(405);
});

test("the socket of an agent that is no more is replaced, one that answers is not", async () => {
  await listen();
  await expect(
    PluginServer.listen({ socketPath: socketPath(), answer: async () => ({ status: 200, body: {} }) }),
  ).rejects.toThrow("another agent answers there");
  await server?.close();
  await new Promise<void>((resolve) => {
    // A server in a process that was killed leaves its socket; one that unlinks nothing is as good.
    const left = createServer();
    left.listen(socketPath(), () => {
      (left as unknown as { _handle: { close(): void } })._handle.close();
      resolve();
    });
  });
  await listen();
  expect((await post("/Known.Method", "")).status).toBe(200);
});

test("install writes one line, again changes nothing, and uninstall removes exactly that", () => {
  const options = { pluginDir: join(directory, "etc"), address: "unix:///run/heddle/docker.sock" };
  const path = join(directory, "etc", "heddle.spec");
  expect(installDocker({ ...options, dryRun: true })).toEqual([{ kind: "write", path }]);
  expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  expect(installDocker(options)).toEqual([{ kind: "write", path }]);
  expect(installDocker(options)).toEqual([{ kind: "keep", path }]);
  expect(uninstallDocker(options)).toEqual([{ kind: "remove", path }]);
  expect(uninstallDocker(options)).toEqual([]);
});

test("a spec file of somebody else stays", () => {
  const options = { pluginDir: directory, address: "unix:///run/heddle/docker.sock" };
  writeFileSync(join(directory, "heddle.spec"), "tcp://192.0.2.1:99\n");
  for (const act of [installDocker, uninstallDocker]) expect(() => act(options)).toThrow("is not Heddle's");
});

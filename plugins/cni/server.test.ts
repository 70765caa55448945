import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import type { CniAnswer } from "./answer.ts";
import { CniServer, type CniServerLimits } from "./server.ts";

let directory: string;
let socketPath: string;
const servers: CniServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-cni-"));
  socketPath = join(directory, "run", "cni.sock");
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(directory, { recursive: true });
});

async function listen(
  answer: (request: Uint8Array) => Promise<CniAnswer>,
  limits: Partial<CniServerLimits> = {},
): Promise<CniServer> {
  const server = await CniServer.listen({ socketPath, clock: systemClock, answer, limits });
  servers.push(server);
  return server;
}

/** Sends the bytes, half-closes, answers what comes until the end. */
function call(request: string | Uint8Array, halfClose = true): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    socket.on("data", (part) => parts.push(part));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(Buffer.concat(parts)));
    socket.on("end", () => socket.end());
    socket.write(request);
    if (halfClose) socket.end();
  });
}

const echo = async (request: Uint8Array): Promise<CniAnswer> => ({
  status: 1,
  stdout: Buffer.from(request).toString(),
});

test("answers with the status byte and the output", async () => {
  await listen(echo);
  expect((await call("hello")).toString("latin1")).toBe("\x01hello");
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
});

test("refuses a request over the limit with a CNI error", async () => {
  await listen(echo, { requestBytesMax: 100 });
  const answer = await call(Buffer.alloc(101));
  expect(answer[0]).toBe(1);
  expect(JSON.parse(answer.subarray(1).toString())).toMatchObject({ code: 6 });
});

test("tells a caller beyond the limit of connections to try again", async () => {
  let finish: (answer: CniAnswer) => void = () => undefined;
  let begun: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (begun = resolve));
  await listen(
    () => {
      begun();
      return new Promise((resolve) => (finish = resolve));
    },
    { connectionsMax: 1 },
  );
  const slow = call("one");
  await first;
  const refused = await call("two");
  expect(JSON.parse(refused.subarray(1).toString())).toMatchObject({ code: 11 });
  finish({ status: 0, stdout: "done" });
  expect((await slow).toString("latin1")).toBe("\0done");
});

test("closes on a caller that does not finish its request", async () => {
  await listen(echo, { transferTimeoutMs: 50 });
  expect(await call("half", false)).toHaveLength(0);
});

test("finishes what is under way before it closes", async () => {
  let finish: (answer: CniAnswer) => void = () => undefined;
  let begun: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (begun = resolve));
  const server = await listen(() => {
    begun();
    return new Promise((resolve) => (finish = resolve));
  });
  const slow = call("one");
  await first;
  const closed = server.close();
  finish({ status: 0, stdout: "done" });
  expect((await slow).toString("latin1")).toBe("\0done");
  await closed;
  expect(statSync(socketPath, { throwIfNoEntry: false })).toBeUndefined();
});

test("a second server on the same socket is refused, a dead socket is taken over", async () => {
  await listen(echo);
  await expect(listen(echo)).rejects.toThrow(expect.objectContaining({ code: "CNI_SOCKET_IN_USE" }));
  expect((await call("still here")).toString("latin1")).toBe("\x01still here");
});

test("a file that is no socket is not removed", async () => {
  socketPath = join(directory, "file");
  writeFileSync(socketPath, "precious");
  await expect(listen(echo)).rejects.toThrow(expect.objectContaining({ code: "CNI_SOCKET_IN_USE" }));
  expect(statSync(socketPath).size).toBe(8);
});

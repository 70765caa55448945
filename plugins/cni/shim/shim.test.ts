/** The binary itself against a socket that plays the agent: on this machine's processor, and on the other one under qemu. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { requestBytesMax } from "./program.ts";
import { buildShim } from "./shim.ts";

/** The other processor is run by qemu; the package is qemu-user-static. */
const emulators = { x64: "qemu-x86_64-static", arm64: "qemu-aarch64-static" };
const targets = Object.entries(emulators).map(([arch, qemu]) => {
  return arch === process.arch
    ? { name: `native ${arch}`, arch, wrap: [] }
    : { name: `${arch} under qemu`, arch, wrap: [qemu] };
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
}

describe.each(targets)("$name", ({ arch, wrap }) => {
  let directory: string;
  let socketPath: string;
  let binary: string;
  let server: Server | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "heddle-shim-"));
    socketPath = join(directory, "cni.sock");
    binary = join(directory, "heddle");
    writeFileSync(binary, buildShim({ socketPath, arch }), { mode: 0o755 });
  });

  afterEach(() => {
    server?.close();
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  function listen(onConnection: (socket: Socket) => void, options: ServerOpts = {}): Promise<void> {
    server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
      socket.on("error", () => undefined);
      onConnection(socket);
    });
    return new Promise((resolve) => server?.listen(socketPath, resolve));
  }

  /** Collects the request, then answers it. */
  function answerWith(respond: (request: Buffer, socket: Socket) => void): Promise<void> {
    return listen((socket) => {
      const parts: Buffer[] = [];
      socket.on("data", (part) => parts.push(part));
      socket.on("end", () => respond(Buffer.concat(parts), socket));
    });
  }

  function start(env: Record<string, string>): ChildProcessWithoutNullStreams {
    const command = [...wrap, binary, "ignored", "arguments"];
    const child = spawn(command[0] ?? binary, command.slice(1), { env });
    child.stdin.on("error", () => undefined);
    return child;
  }

  function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
    const parts: Buffer[] = [];
    child.stdout.on("data", (part) => parts.push(part));
    return new Promise((resolve) =>
      child.on("close", (status) => resolve({ status, stdout: Buffer.concat(parts).toString() })),
    );
  }

  function run(env: Record<string, string>, stdin: string | Buffer = ""): Promise<Ended> {
    const child = start(env);
    const result = ended(child);
    child.stdin.end(stdin);
    return result;
  }

  test("sends every CNI_ variable and standard input, prints the answer and ends with its status", async () => {
    let received = "";
    await answerWith((request, socket) => {
      received = request.toString();
      socket.end(Buffer.concat([Buffer.from([7]), Buffer.from("the answer")]));
    });
    const env = { CNI_COMMAND: "ADD", PATH: "/bin", CNI_: "x", CN: "no", CNI_ARGS: "A=b;C=d", XCNI_A: "no" };
    expect(await run(env, '{"name":"web"}')).toEqual({ status: 7, stdout: "the answer" });
    const [, variables = "", input] = /^(.*\0)\0(.*)$/s.exec(received) ?? [];
    expect(variables.split("\0").sort()).toEqual(["", "CNI_=x", "CNI_ARGS=A=b;C=d", "CNI_COMMAND=ADD"]);
    expect(input).toBe('{"name":"web"}');
  });

  test("sends an empty environment and an empty input", async () => {
    let received = "unset";
    await answerWith((request, socket) => {
      received = request.toString();
      socket.end(Buffer.from([0]));
    });
    expect(await run({})).toEqual({ status: 0, stdout: "" });
    expect(received).toBe("\0");
  });

  test("carries half a mebibyte each way whole", async () => {
    const input = Buffer.alloc(1 << 19, "0123456789abcdef");
    await answerWith((request, socket) => socket.end(Buffer.concat([Buffer.from([0]), request])));
    const result = await run({ CNI_COMMAND: "ADD" }, input);
    expect(result.status).toBe(0);
    expect(result.stdout).toBe(`CNI_COMMAND=ADD\0\0${input.toString()}`);
  });

  test("reads input and answer in pieces", async () => {
    await answerWith((request, socket) => {
      socket.write(Buffer.from([0]));
      setImmediate(() => {
        socket.write(request.subarray(0, 20));
        setImmediate(() => socket.end(request.subarray(20)));
      });
    });
    const child = start({ CNI_COMMAND: "ADD" });
    const result = ended(child);
    child.stdin.write('{"name":');
    await new Promise(setImmediate);
    child.stdin.end('"web"}');
    expect(await result).toEqual({ status: 0, stdout: 'CNI_COMMAND=ADD\0\0{"name":"web"}' });
  });

  test("takes the answer of an agent that did not read the whole request", async () => {
    await listen((socket) => socket.end(Buffer.from("\x01refused"), () => socket.destroy()));
    const result = await run({ CNI_COMMAND: "ADD" }, Buffer.alloc(1 << 19));
    expect(result).toEqual({ status: 1, stdout: "refused" });
  });

  test.each([
    ["ADD", 1, 11],
    ["DEL", 1, 11],
    ["STATUS", 1, 50],
  ])("%s without an agent is an error with a number and what to do", async (command, status, code) => {
    const result = await run({ CNI_COMMAND: command }, "{}");
    expect(result.status).toBe(status);
    expect(JSON.parse(result.stdout)).toMatchObject({
      cniVersion: "1.1.0",
      code,
      msg: expect.stringContaining(`${socketPath}: it is not running; start it with`),
    });
  });

  test("VERSION needs no agent", async () => {
    const result = await run({ CNI_COMMAND: "VERSION" }, "{}");
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout).supportedVersions).toEqual(["0.4.0", "1.0.0", "1.1.0"]);
  });

  test("an agent that closes without an answer is try again", async () => {
    await answerWith((_request, socket) => socket.end());
    const result = await run({ CNI_COMMAND: "ADD" }, "{}");
    expect(result.status).toBe(1);
    expect(JSON.parse(result.stdout).code).toBe(11);
  });

  test("a call larger than the limit is refused without an agent's help", async () => {
    const result = await run({ CNI_COMMAND: "ADD" }, Buffer.alloc(requestBytesMax));
    expect(result.status).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ code: 6 });
  });

  test("an environment larger than the limit is refused", async () => {
    const many = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`CNI_${i}`, "x".repeat(120_000)]));
    const result = await run(many, "{}");
    expect(result.status).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ code: 6 });
  });

  test("takes the answer of an agent that read nothing at all", async () => {
    const connected = new Promise<Socket>((resolve) => void listen(resolve, { pauseOnConnect: true }));
    const child = start({ CNI_COMMAND: "ADD" });
    const result = ended(child);
    child.stdin.end("{}");
    const socket = await connected;
    await vi.waitUntil(() => stateOf(child) === "S", { interval: 2 });
    socket.end(Buffer.from("\x01busy"), () => socket.destroy());
    expect(await result).toEqual({ status: 1, stdout: "busy" });
  });

  /** A stop and a continue interrupt a system call that waits with a time limit: signal(7). */
  async function interrupt(child: ChildProcessWithoutNullStreams): Promise<void> {
    const isIn = (state: string) => vi.waitUntil(() => stateOf(child) === state, { interval: 2 });
    await isIn("S");
    child.kill("SIGSTOP");
    await isIn("T");
    child.kill("SIGCONT");
    await isIn("S");
  }

  test("a signal in the middle of sending loses nothing", async () => {
    const input = Buffer.alloc(1 << 19, "0123456789abcdef");
    const parts: Buffer[] = [];
    const connected = new Promise<Socket>((resolve) => void listen(resolve));
    const child = start({ CNI_COMMAND: "ADD" });
    const result = ended(child);
    child.stdin.end(input);
    const socket = await connected;
    await interrupt(child);
    socket.on("data", (part) => parts.push(part));
    socket.on("end", () => socket.end(Buffer.from([0])));
    expect((await result).status).toBe(0);
    expect(Buffer.concat(parts).equals(Buffer.concat([Buffer.from("CNI_COMMAND=ADD\0\0"), input]))).toBe(
      true,
    );
  });

  test("a signal while it waits for the answer changes nothing", async () => {
    const asked = new Promise<Socket>((resolve) => void answerWith((_request, socket) => resolve(socket)));
    const child = start({ CNI_COMMAND: "ADD" });
    const result = ended(child);
    child.stdin.end("{}");
    const socket = await asked;
    await interrupt(child);
    socket.end(Buffer.from("\0after the signal"));
    expect(await result).toEqual({ status: 0, stdout: "after the signal" });
  });
});

/** `S` sleeps, `T` is stopped: proc_pid_stat(5). */
function stateOf({ pid }: ChildProcessWithoutNullStreams): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.[0];
}

test("an architecture without encodings is refused by name", () => {
  expect(() => buildShim({ socketPath: "/run/x", arch: "riscv64" })).toThrow(/riscv64: only x64 and arm64/);
});

test.each(["relative.sock", `/${"x".repeat(107)}`, "/run/a\0b"])(
  "the socket path %j is refused",
  (socketPath) => {
    expect(() => buildShim({ socketPath })).toThrow(
      expect.objectContaining({ code: "CNI_SHIM_UNSUPPORTED" }),
    );
  },
);

test("the binary stays below 4 KiB", () => {
  for (const arch of ["x64", "arm64"])
    expect(buildShim({ socketPath: "/run/heddle/cni.sock", arch }).length).toBeLessThan(4096);
});

/** The client against an engine that answers as it is told, over a real socket. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../clock/index.ts";
import { OutputFrames } from "./exec.ts";
import { EngineClient, lines, parseEvent } from "./index.ts";

let directory: string;
let server: Server;
let answer: RequestListener;
let client: EngineClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "heddle-engine-"));
  const socketPath = join(directory, "docker.sock");
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const limits = { requestTimeoutMs: 200, bodyBytesMax: 1000, eventBytesMax: 1000 };
  client = new EngineClient({ socketPath, clock: systemClock, limits });
});

afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

const says =
  (body: string, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body);

const event = (action: string, more: object = {}) =>
  JSON.stringify({ Type: "container", Action: action, Actor: { ID: "c1" }, timeNano: 2e9, ...more });

describe("an answer", () => {
  test("is read for what is needed of it", async () => {
    answer = says('{"ID":"E"}');
    expect(await client.id()).toBe("E");
    answer = says('[{"Id":"a"},{"Id":"b"},{"Id":7},null]');
    expect(await client.running()).toEqual(["a", "b"]);
  });

  test("of 404 means that there is no such container", async () => {
    answer = says("{}", 404);
    expect(await client.inspect("x")).toBeUndefined();
  });

  test.each([
    ["no JSON", says("hello")],
    ["no id in it", says("{}")],
    ["an error", says("{}", 500)],
    ["too long", says(`{"ID":"${"x".repeat(2000)}"}`)],
  ])("that is %s is an error with a code", async (_name, listener) => {
    answer = listener;
    await expect(client.id()).rejects.toMatchObject({ code: "DOCKER_ENGINE_ANSWER" });
  });

  describe("about networks", () => {
    const inspected = {
      Id: "n1",
      Driver: "heddle",
      IPAM: { Driver: "heddle", Config: [{ Gateway: "10.1.0.1", AuxiliaryAddresses: { r: "10.1.0.2" } }] },
      Containers: { c1: { EndpointID: "e1", IPv4Address: "10.1.0.5/16", IPv6Address: "" } },
    };
    const listed = [
      { ...inspected, Containers: null },
      { Id: "n2", Driver: "bridge", IPAM: { Driver: "default", Config: null } },
    ];
    const answers = (bodies: Readonly<Record<string, unknown>>): RequestListener => {
      return (request, response) => {
        const body = bodies[request.url ?? ""];
        says(JSON.stringify(body ?? {}), body === undefined ? 404 : 200)(request, response);
      };
    };

    test("names who is in those of a driver, and the addresses that are taken", async () => {
      answer = answers({ "/networks": listed, "/networks/n1": inspected });
      expect(await client.networks("heddle")).toEqual([
        {
          id: "n1",
          driver: "heddle",
          ipamDriver: "heddle",
          endpoints: ["e1"],
          addresses: ["10.1.0.1", "10.1.0.2", "10.1.0.5"],
        },
      ]);
    });

    test("leaves out one that went meanwhile", async () => {
      answer = answers({ "/networks": listed });
      expect(await client.networks("heddle")).toEqual([]);
    });

    test.each([
      ["is no list", {}],
      ["has an entry that is no network", [...listed, { Id: "n3" }]],
    ])("that %s is an error, as nobody may conclude from it what is gone", async (_name, body) => {
      answer = answers({ "/networks": body, "/networks/n1": inspected });
      await expect(client.networks("heddle")).rejects.toMatchObject({ code: "DOCKER_ENGINE_ANSWER" });
    });
  });

  test("that does not come, or stops in its middle, is waited for only so long", async () => {
    answer = () => undefined;
    await expect(client.id()).rejects.toMatchObject({ code: "DOCKER_ENGINE_UNREACHABLE" });
    answer = (_request, response) => void response.writeHead(200).write('{"ID":');
    await expect(client.id()).rejects.toMatchObject({ code: "DOCKER_ENGINE_UNREACHABLE" });
  });

  test("of nobody is an error with a code", async () => {
    const nobody = new EngineClient({ socketPath: join(directory, "none.sock"), clock: systemClock });
    await expect(nobody.id()).rejects.toMatchObject({ code: "DOCKER_ENGINE_UNREACHABLE" });
  });
});

describe("the event stream", () => {
  async function collect(signal = new AbortController().signal) {
    const actions: string[] = [];
    try {
      for await (const { action } of await client.events(0, signal)) actions.push(action);
      return { actions, error: undefined };
    } catch (error) {
      return { actions, error: (error as { code?: string }).code };
    }
  }

  test("gives each event, and fails when the engine ends it", async () => {
    answer = says(`${event("start")}\n${event("die")}\n`);
    expect(await collect()).toEqual({ actions: ["start", "die"], error: "DOCKER_ENGINE_UNREACHABLE" });
  });

  test("passes over what cannot be read", async () => {
    answer = says(`hello\n{}\n${event("pull", { Type: "image" })}\n${event("start")}\n`);
    expect((await collect()).actions).toEqual(["start"]);
  });

  test("fails at a line that is too long", async () => {
    answer = says(`${event("start")}\n${event("x".repeat(2000))}\n`);
    expect(await collect()).toEqual({ actions: ["start"], error: "DOCKER_ENGINE_ANSWER" });
  });

  test("outlives the time of a request, and ends without an error when it is told to", async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      response.writeHead(200).flushHeaders();
      setTimeout(() => response.write(`${event("start")}\n`), 300);
      setTimeout(() => stop.abort(), 350);
    };
    expect(await collect(stop.signal)).toEqual({ actions: ["start"], error: undefined });
  });

  test("asks from when on, for what matters", async () => {
    let asked = new URL("http://none/");
    answer = (request, response) => {
      asked = new URL(request.url ?? "", "http://docker");
      response.writeHead(200).end();
    };
    await client.events(1500.5, new AbortController().signal);
    expect(asked.searchParams.get("since")).toBe("1.500500000");
    expect(JSON.parse(asked.searchParams.get("filters") ?? "")).toMatchObject({
      type: ["container", "network"],
    });
  });
});

describe("an event", () => {
  test("says what happened to which container, and when", () => {
    const kill = event("kill", { Actor: { ID: "c1", Attributes: { signal: "15" } } });
    expect(parseEvent(kill)).toEqual({ containerId: "c1", action: "kill", signal: 15, atMs: 2000 });
    const joined = event("connect", {
      Type: "network",
      Actor: { ID: "n1", Attributes: { container: "c2" } },
    });
    expect(parseEvent(joined)).toEqual({ containerId: "c2", action: "connect", atMs: 2000 });
  });

  test("is never an error, whatever the line", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => void parseEvent(line)));
  });
});

test("lines are the same however the stream is cut", async () => {
  const cut = fc.array(fc.stringMatching(/^[a-zäß]{0,20}$/), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(cut, fc.array(fc.nat(10), { minLength: 1 }), async (texts, sizes) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
      async function* chunks() {
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = (sizes[i % sizes.length] ?? 0) + 1;
          yield bytes.subarray(at, at + size);
          at += size;
        }
      }
      const found: string[] = [];
      for await (const line of lines(chunks(), 1000)) found.push(line);
      expect(found).toEqual(texts);
    }),
  );
});

describe("a program in a container", () => {
  const frame = (stream: number, text: string) => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  test("is made, run and asked for its exit status; both outputs are heard", async () => {
    const seen: string[] = [];
    answer = (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        seen.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`);
        if (request.url === "/containers/web/exec") response.writeHead(201).end('{"Id":"e1"}');
        else if (request.url === "/exec/e1/start")
          response.end(Buffer.concat([frame(1, "out"), frame(2, "err")]));
        else response.end('{"ExitCode":3,"Running":false}');
      });
    };
    const output: Buffer[] = [];
    const options = {
      signal: AbortSignal.timeout(5000),
      onOutput: (bytes: Buffer) => void output.push(bytes),
    };
    expect(await client.exec("web", ["test", "-e", "/ok"], options)).toEqual({ exitCode: 3 });
    expect(Buffer.concat(output).toString()).toBe("outerr");
    expect(seen).toEqual([
      'POST /containers/web/exec {"AttachStdout":true,"AttachStderr":true,"Cmd":["test","-e","/ok"]}',
      'POST /exec/e1/start {"Detach":false,"Tty":false}',
      "GET /exec/e1/json ",
    ]);
  });

  test("in a container that is not there is an error", async () => {
    answer = says('{"message":"No such container"}', 404);
    const options = { signal: AbortSignal.timeout(5000), onOutput: () => undefined };
    await expect(client.exec("gone", ["true"], options)).rejects.toMatchObject({
      code: "DOCKER_ENGINE_ANSWER",
    });
  });

  test("ends with its signal", async () => {
    answer = (request, response) => {
      if (request.url?.endsWith("/exec")) response.writeHead(201).end('{"Id":"e1"}');
      else response.write(frame(1, "on and on"));
    };
    const stop = new AbortController();
    const onOutput = () => stop.abort();
    await expect(client.exec("web", ["yes"], { signal: stop.signal, onOutput })).rejects.toBeDefined();
  });

  test("is heard the same however its frames are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 9 })),
        (texts, cuts) => {
          const bytes = Buffer.concat(texts.map((text, at) => frame(1 + (at % 2), text)));
          const heard: Buffer[] = [];
          const frames = new OutputFrames((part) => heard.push(Buffer.from(part)));
          let at = 0;
          for (const cut of cuts) {
            frames.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          frames.push(bytes.subarray(at));
          expect(Buffer.concat(heard).toString()).toBe(texts.join(""));
        },
      ),
    );
  });
});

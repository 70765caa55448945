/** What a connection promises its client, and what it lets a stranger hold. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { connectionOn, MemoryWire, turn } from "../../test/fixtures/memory-wire.ts";
import { RawConnection, startHttp, talk } from "../../test/fixtures/raw-http.ts";
import type { ApiHandler, ApiResponse, Resumer } from "../request.ts";

const host = "Host: x\r\n";

function answer(body: ApiResponse["body"], headers: ApiResponse["headers"] = {}): ApiResponse {
  return { status: 200, headers, body };
}

const echo: ApiHandler = async ({ method, target, body }) =>
  answer(`${method} ${target} ${Buffer.from(body).toString()}`);

/** Handler whose requests wait until they are resumed, or until nobody waits. */
function parking() {
  const parked: Resumer[] = [];
  const reasons: unknown[] = [];
  let arrived = () => {};
  const handle: ApiHandler = async (request) => {
    const { target, headers, waited } = request;
    if (!target.startsWith("/parked")) return echo(request);
    if (waited) return answer(`${target} of ${headers["host"]} moved`);
    const left = (reason: unknown) => {
      reasons.push(reason);
      arrived();
    };
    const resumer = request.park?.({ left });
    if (resumer) parked.push(resumer);
    arrived();
    return new Promise(() => undefined);
  };
  const until = async (condition: () => boolean) => {
    while (!condition())
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
  };
  return { handle, parked, reasons, until };
}

describe("requests on one connection", () => {
  test("are answered in order, with what was sent ahead, bodies between them and empty lines before them", async () => {
    const { http } = await startHttp(echo);
    const text = [
      `\r\nPUT /1 HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nfour`,
      `POST /2 HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n2\r\nch\r\n3;x=y\r\nunk\r\n0\r\nA: b\r\n\r\n`,
      `\r\n\r\nHEAD /3 HTTP/1.1\r\n${host}\r\n`,
      `GET /4 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
      `GET /5 HTTP/1.1\r\n${host}\r\n`,
    ].join("");
    const got = await talk(http.port, text);
    const bodies = got.split(/HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/).slice(1);
    expect(bodies).toEqual(["PUT /1 four", "POST /2 chunk", "", "GET /4 "]);
    expect(got).toContain("Content-Length: 8\r\n");
  });

  test("are answered the same when they come byte by byte", async () => {
    const { http } = await startHttp(echo);
    const wire = await RawConnection.open(http.port);
    wire.socket.setNoDelay(true);
    for (const byte of `PUT /1 HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`) {
      wire.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await wire.until("PUT /1 abc")).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test("wait while one before them is parked, and are answered behind it", async () => {
    const { handle, parked, until } = parking();
    const { http } = await startHttp(handle);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET /parked HTTP/1.1\r\n${host}\r\nGET /next HTTP/1.1\r\n${host}\r\n`);
    await until(() => parked.length === 1);
    wire.send(`GET /last HTTP/1.1\r\n${host}\r\n`);
    parked[0]?.resume({});
    expect(await wire.until("GET /last ")).toMatch(/\/parked of x moved[\s\S]*GET \/next [\s\S]*GET \/last/);
  });

  test("of HTTP/1.0 end it, unless it asks to keep it; what is streamed to it ends with it", async () => {
    const { http } = await startHttp(async ({ target }) =>
      target === "/stream"
        ? answer(
            (async function* () {
              yield Buffer.from("one");
              yield Buffer.from("");
              yield Buffer.from("two");
            })(),
          )
        : answer("whole"),
    );
    expect(await talk(http.port, "GET / HTTP/1.0\r\n\r\n")).toMatch(/Connection: close[\s\S]*whole$/);
    expect(await talk(http.port, "GET /stream HTTP/1.0\r\n\r\n")).toMatch(/\r\n\r\nonetwo$/);
    const kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    expect(await talk(http.port, kept)).toMatch(
      /Connection: keep-alive[\s\S]*whole[\s\S]*Connection: close[\s\S]*whole$/,
    );
    const chunked = await talk(http.port, `GET /stream HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    expect(chunked).toMatch(/Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n$/);
    const asked = await talk(http.port, `HEAD /stream HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    expect(asked).toMatch(/\r\n\r\n$/);
  });

  test("are told to go on with a body that is small enough, and only then", async () => {
    const { http } = await startHttp(echo, { bodyBytesMax: 10 });
    const wire = await RawConnection.open(http.port);
    wire.send(`PUT / HTTP/1.1\r\n${host}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
    expect(await wire.until("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    wire.send("ok");
    expect(await wire.until("PUT / ok")).toMatch(/^HTTP\/1\.1 200/);
    wire.send(`PUT / HTTP/1.1\r\n${host}Content-Length: 11\r\nExpect: 100-continue\r\n\r\n`);
    expect(await wire.toEnd()).toMatch(/^HTTP\/1\.1 413/);
  });

  test("may be handed on as copies, as agents do with what they change", async () => {
    const { http } = await startHttp((request) => {
      const { method, target, headers, body } = { ...request };
      return Promise.resolve(answer(`${method} ${target} ${headers["host"]} ${body.length}`));
    });
    const text = `GET /1 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;
    expect(await talk(http.port, text)).toMatch(/GET \/1 x 0$/);
  });

  test("whose client ended its side are answered, and then the connection ends", async () => {
    const { http } = await startHttp(echo);
    const wire = await RawConnection.open(http.port);
    wire.socket.end(`GET /1 HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\nGET /never`);
    expect(await wire.toEnd()).toMatch(/GET \/1 [\s\S]*GET \/2 $/);
  });
});

describe("a parked request", () => {
  test.each<["ends its side" | "resets", (wire: RawConnection) => void]>([
    ["ends its side", (wire) => wire.socket.end()],
    ["resets", (wire) => wire.socket.resetAndDestroy()],
  ])("is given up when its client %s", async (_, leave) => {
    const { handle, parked, reasons, until } = parking();
    const { http } = await startHttp(handle);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET / HTTP/1.1\r\n${host}\r\nGET /parked HTTP/1.1\r\n${host}\r\n`);
    await until(() => parked.length === 1);
    leave(wire);
    await until(() => reasons.length === 1);
    expect(reasons).toEqual([undefined]);
    expect(await wire.toEnd()).not.toContain("503");
  });

  test("is not told that its client left after it was answered", async () => {
    const { handle, parked, reasons, until } = parking();
    const { http, client } = await startHttp(handle);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET /parked HTTP/1.1\r\n${host}\r\n`);
    await until(() => parked.length === 1);
    parked[0]?.resume({});
    await wire.until("moved");
    wire.socket.end();
    await wire.toEnd();
    await client.exchange("GET", "/");
    expect(reasons).toEqual([]);
  });

  test("that asked by a signal is not told so either", async () => {
    let signal: AbortSignal | undefined;
    const wire = new MemoryWire();
    connectionOn(wire, async (request) => {
      signal = request.signal;
      return answer("done");
    });
    wire.push(`GET / HTTP/1.1\r\n${host}\r\n`);
    while (!wire.text.includes("done")) await turn();
    wire.push(null);
    while (!wire.destroyed) await turn();
    expect(signal?.aborted).toBe(false);
  });

  test("is sent home when the listener closes, and its client hears why", async () => {
    const { handle, parked, reasons, until } = parking();
    const { http } = await startHttp(handle);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET /parked HTTP/1.1\r\n${host}\r\n`);
    await until(() => parked.length === 1);
    const closed = http.close();
    expect(await wire.toEnd()).toMatch(/^HTTP\/1\.1 503 [\s\S]*Connection: close/);
    await closed;
    expect(reasons).toEqual([expect.objectContaining({ code: "API_CLOSING" })]);
  });

  test("is asked anew as it came, once, also if it is resumed before its client leaves", async () => {
    const { handle, parked, reasons, until } = parking();
    const { http } = await startHttp(handle);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET http://other/parked?a HTTP/1.1\r\n${host}\r\n`);
    await until(() => parked.length === 1);
    parked[0]?.resume({});
    wire.socket.end();
    expect(await wire.toEnd()).toMatch(/\r\n\r\n\/parked\?a of other moved$/);
    expect(reasons).toEqual([]);
  });

  test("whose client left before it was parked is given up at once", async () => {
    const { handle, reasons } = parking();
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const wire = new MemoryWire();
    connectionOn(wire, (request) => held.then(() => handle(request)));
    wire.push(`GET /parked HTTP/1.1\r\n${host}\r\n`);
    wire.push(null);
    await turn();
    expect(reasons).toEqual([]);
    go();
    await turn();
    expect(reasons).toEqual([undefined]);
    expect(wire.destroyed).toBe(true);
  });

  test("does not let its client send ahead without end", async () => {
    const { handle, parked } = parking();
    const wire = new MemoryWire();
    connectionOn(wire, handle, { aheadBytesMax: 1000 });
    wire.push(`GET /parked HTTP/1.1\r\n${host}\r\n`);
    const next = `GET /next HTTP/1.1\r\n${host}\r\n`;
    wire.push(next.repeat(10));
    await turn();
    expect(wire.isPaused()).toBe(false);
    wire.push(next.repeat(40));
    await turn();
    expect(wire.isPaused()).toBe(true);
    wire.push(next.repeat(1000));
    parked[0]?.resume({});
    while (wire.text.split("GET /next ").length <= 1050) await turn();
    expect(wire.isPaused()).toBe(false);
  });
});

describe("a client that does not take its answer", () => {
  const long = Buffer.alloc(32 * 1024 * 1024, "x");
  test.each<[string, () => ApiResponse["body"]]>([
    ["whole", () => long],
    [
      "streamed",
      async function* () {
        for (;;) yield Buffer.alloc(64 * 1024, "x");
      },
    ],
  ])("%s is cut after a while", async (_, body) => {
    const { http } = await startHttp(async () => answer(body()), { streamStallMs: 300 });
    const socket = connect(http.port, "127.0.0.1");
    socket.pause();
    socket.write(`GET / HTTP/1.1\r\n${host}\r\n`);
    const cut = new Promise((resolve) =>
      socket.on("error", () => resolve("cut")).on("close", () => resolve("cut")),
    );
    // Nothing is read, so the end is seen by what is written.
    const writing = setInterval(() => socket.write("\r\n"), 20);
    expect(await cut).toBe("cut");
    clearInterval(writing);
  });

  test("but takes it slowly gets all of it", async () => {
    const { http } = await startHttp(async () => answer(long.subarray(0, 4 << 20)), {
      streamStallMs: 60_000,
    });
    const wire = await RawConnection.open(http.port);
    const pace = setInterval(() => {
      wire.socket.pause();
      setTimeout(() => wire.socket.resume(), 5);
    }, 10);
    wire.send(`GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    const got = await wire.toEnd();
    clearInterval(pace);
    expect(got.split("\r\n\r\n")[1]?.length).toBe(4 << 20);
  });
});

describe("what a stranger can do", () => {
  test("headers with line ends of another's making do not get out", async () => {
    const { http } = await startHttp(async () => answer("", { "X-Name": "a\r\nSet-Cookie: b" }));
    expect(await talk(http.port, `GET / HTTP/1.1\r\n${host}\r\n`)).toMatch(/^HTTP\/1\.1 503/);
  });

  test.each([
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["lines that end otherwise", "GET / HTTP/1.1\nHost: x\n\n"],
    ["a body that is malformed", `PUT / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
  ])("%s is refused at once", async (_, text) => {
    const { http } = await startHttp(echo, { headersTimeoutMs: 60_000 });
    expect(await talk(http.port, text)).toMatch(/^HTTP\/1\.1 400/);
  });

  test("what comes behind the last answer is read for a while, so that the answer arrives, and not for ever", async () => {
    const { http } = await startHttp(echo, { bodyBytesMax: 10, drainBytesMax: 10_000_000, drainMs: 60_000 });
    const wire = await RawConnection.open(http.port);
    wire.send(`PUT / HTTP/1.1\r\n${host}Content-Length: 9000000\r\n\r\n${"x".repeat(9_000_000)}`);
    expect(await wire.until("max size: 10 bytes")).toMatch(/^HTTP\/1\.1 413/);
    const closed = new Promise((resolve) => wire.socket.once("close", resolve));
    const flood = setInterval(() => wire.send("x".repeat(100_000)), 5);
    await closed;
    clearInterval(flood);
  });

  test("who never ends its side is ended when the time for it is over", async () => {
    const limits = { headersTimeoutMs: 200, keepAliveMs: 200, drainMs: 200 };
    const { http } = await startHttp(echo, limits);
    const wire = await RawConnection.open(http.port);
    wire.send(`GET / HTTP/1.1\r\n${host}\r\n`);
    await wire.until("GET / ");
    const closed = new Promise((resolve) => wire.socket.once("close", resolve));
    // Empty lines are no request.
    const alive = setInterval(() => wire.send("\r\n"), 20);
    await closed;
    clearInterval(alive);
    expect(await wire.toEnd()).toBe("");
  });
});

describe("an upload", () => {
  const put = `PUT /v1/snapshot HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;

  test("is read at the pace of its handler, and the connection goes on behind it", async () => {
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const wire = new MemoryWire();
    connectionOn(wire, async ({ upload }) => {
      await held;
      let bytes = 0;
      for await (const part of upload ?? []) bytes += part.length;
      return answer(`took ${bytes}`);
    });
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
    wire.push(put + chunk);
    await turn();
    expect(wire.isPaused()).toBe(false);
    wire.push(chunk + chunk);
    await turn();
    expect(wire.isPaused()).toBe(true);
    wire.push(`${chunk}0\r\n\r\nGET /v1/snapshot HTTP/1.1\r\n${host}\r\n`);
    go();
    while (!wire.text.includes("took 0")) await turn();
    expect(wire.text).toContain(`took ${4 * 0x8000}`);
  });

  test.each<[string, ApiHandler | undefined, string]>([
    ["answered before its end", async () => answer("enough"), "8\r\nx"],
    ["that is malformed", undefined, "1\r\nx\r\n!\r\n"],
  ])("%s ends the connection", async (_, early, chunks) => {
    const handle: ApiHandler = async ({ upload }) => {
      try {
        for await (const part of upload ?? []) part.length;
        return answer("whole");
      } catch (error) {
        return answer(String(error));
      }
    };
    const { http } = await startHttp(early ?? handle);
    const got = await talk(http.port, put + chunks);
    expect(got).toMatch(/Connection: close/);
    expect(got).not.toContain("whole");
  });
});

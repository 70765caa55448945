/** The HTTP API through agents of two hosts that both forward to the server: one store, seen from anywhere. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Seen } from "../lab/consul-client.ts";
import type { Host } from "../lab/host.ts";
import { type HttpAnswer, Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 2 } });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
});
afterAll(() => stage?.dispose());

/** A request that may take its time, and whether it was answered. */
function pending(answer: Promise<HttpAnswer>): {
  readonly answer: Promise<HttpAnswer>;
  readonly done: () => boolean;
} {
  let done = false;
  const watched = answer.finally(() => {
    done = true;
  });
  return { answer: watched, done: () => done };
}

async function indexOf(path: string): Promise<string> {
  const { headers } = await stage.http(h2, "GET", path);
  return headers["x-consul-index"] ?? "";
}

/** Writes that concern nothing that the tests wait for, seen on the other host. */
async function writeUnrelated(): Promise<void> {
  await stage.http(h1, "PUT", "/v1/kv/unrelated", "x");
  await stage.registered(h1, { ID: "unrelated", Name: "unrelated", Port: 1 });
  await waitFor("the unrelated writes on h2", async () => {
    const [key, service] = await Promise.all([
      stage.http(h2, "GET", "/v1/kv/unrelated?raw"),
      stage.http(h2, "GET", "/v1/catalog/service/unrelated"),
    ]);
    return (key.body === "x" && service.body.includes("unrelated")) || undefined;
  });
}

describe("a blocking query on one host", () => {
  it.each([
    ["a key", "/v1/kv/app/mode", () => stage.http(h1, "PUT", "/v1/kv/app/mode", "fast")],
    [
      "a service's health",
      "/v1/health/service/app",
      () => stage.registered(h1, { ID: "app", Name: "app", Port: 80 }),
    ],
    ["a prefix", "/v1/kv/conf/?recurse", () => stage.http(h1, "PUT", "/v1/kv/conf/deep/key", "new")],
  ])("for %s wakes by a write on the other, and by no other write", async (_, path, write) => {
    const sign = path.includes("?") ? "&" : "?";
    const before = await indexOf(path);
    const query = pending(stage.http(h2, "GET", `${path}${sign}index=${before}&wait=10s`));
    await writeUnrelated();
    expect(query.done()).toBe(false);
    const startMs = performance.now();
    await write();
    const { status, headers } = await query.answer;
    expect(status).toBe(200);
    expect(Number(headers["x-consul-index"])).toBeGreaterThan(Number(before));
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it("ends with its wait when nothing happens", async () => {
    const before = await indexOf("/v1/kv/app/mode");
    const { status, headers } = await stage.http(h2, "GET", `/v1/kv/app/mode?index=${before}&wait=100ms`);
    expect({ status, index: headers["x-consul-index"] }).toEqual({ status: 200, index: before });
  });
});

describe("keys", () => {
  it("written on one host are read on the other at once, bytes and all", async () => {
    for (let i = 0; i < 10; i++) {
      await stage.http(h1, "PUT", "/v1/kv/order", `${i}`);
      expect((await stage.http(h2, "GET", "/v1/kv/order?raw")).body).toBe(`${i}`);
    }
  });

  it("change only at the expected index, whoever asks", async () => {
    await stage.http(h1, "PUT", "/v1/kv/cas", "one");
    const [{ ModifyIndex = 0 } = {}] = JSON.parse((await stage.http(h2, "GET", "/v1/kv/cas")).body) as {
      ModifyIndex?: number;
    }[];
    expect((await stage.http(h2, "PUT", `/v1/kv/cas?cas=${ModifyIndex}`, "two")).body).toBe("true");
    expect((await stage.http(h1, "PUT", `/v1/kv/cas?cas=${ModifyIndex}`, "three")).body).toBe("false");
    expect((await stage.http(h1, "GET", "/v1/kv/cas?raw")).body).toBe("two");
  });

  it("that are not there are 404 with an index, and a wrong request is 400 with a sentence", async () => {
    const { status, headers, body } = await stage.http(h2, "GET", "/v1/kv/nothing");
    expect({ status, body }).toEqual({ status: 404, body: "" });
    expect(Number(headers["x-consul-index"])).toBeGreaterThan(0);
    expect(await stage.http(h2, "GET", "/v1/kv/order?index=soon")).toMatchObject({
      status: 400,
      body: expect.stringContaining("index"),
    });
  });
});

describe("the catalog", () => {
  it("is the same from every host, and /v1/agent is the host's own", async () => {
    await stage.registered(h1, { ID: "own-1", Name: "own", Port: 1 });
    await stage.registered(h2, { ID: "own-2", Name: "own", Port: 2 });
    await waitFor("both instances on both hosts", async () => {
      const answers = await Promise.all(
        [h1, h2].map((host) => stage.http(host, "GET", "/v1/catalog/service/own")),
      );
      const [first, second] = answers.map(({ body }) => body);
      return (first === second && JSON.parse(first ?? "[]").length === 2) || undefined;
    });
    const agents = await Promise.all(
      [h1, h2].map((host) => stage.http(host, "GET", "/v1/agent/service/own-1")),
    );
    expect(agents.map(({ status }) => status)).toEqual([200, 404]);
  });
});

describe("sessions", () => {
  const session = async (host: Host, body: object): Promise<string> => {
    const answer = await stage.http(host, "PUT", "/v1/session/create", body);
    expect(answer.status, answer.body).toBe(200);
    return (JSON.parse(answer.body) as { ID: string }).ID;
  };
  const acquire = async (host: Host, id: string) =>
    (await stage.http(host, "PUT", `/v1/kv/leader?acquire=${id}`, id)).body;

  it("are of the host where they were made; one of them holds a key, and its end wakes the other host", async () => {
    const first = await session(h1, { LockDelay: "0s", Behavior: "delete" });
    const second = await session(h2, { TTL: "10s" });
    const { body } = await stage.http(h1, "GET", "/v1/session/node/h2");
    expect((JSON.parse(body) as { ID: string }[]).map(({ ID }) => ID)).toEqual([second]);
    expect([await acquire(h1, first), await acquire(h2, second)]).toEqual(["true", "false"]);
    const poll = pending(
      stage.http(h2, "GET", `/v1/kv/leader?index=${await indexOf("/v1/kv/leader")}&wait=10s`),
    );
    await writeUnrelated();
    expect(poll.done()).toBe(false);
    await stage.http(h1, "PUT", `/v1/session/destroy/${first}`);
    expect((await poll.answer).status).toBe(404);
    expect(await acquire(h2, second)).toBe("true");
  });
});

describe("Consul's client from npm", () => {
  it("finds everything as it expects it, on an agent", () => {
    const program = join(import.meta.dirname, "../lab/consul-client.ts");
    expect(JSON.parse(h2.run([process.execPath, program])) as Seen).toEqual({
      missing: "nothing",
      value: "hello",
      keys: ["npm/greeting"],
      staleCas: false,
      service: { name: "npm", passing: 1 },
      watched: ["hello", "changed"],
      leader: expect.stringMatching(/:\d+$/),
      members: ["h1", "h2"],
    });
  });
});

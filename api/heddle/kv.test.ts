/** Keys with a time and a history, over HTTP, beside Consul's routes for the same keys. */
import { describe, expect, it } from "vitest";
import { startApi } from "../../test/fixtures/api.ts";
import { EventReader } from "../../test/fixtures/events.ts";

async function start() {
  const { client, http, ...rest } = await startApi();
  const call = async (line: string, body?: string) => {
    const [method = "", path = ""] = line.split(" ");
    const { status, body: bytes, headers } = await client.exchange(method, path, body);
    const text = bytes.toString();
    return { status, headers, body: (text === "" ? undefined : JSON.parse(text)) as Record<string, unknown> };
  };
  return { call, http, client, ...rest };
}

describe("a key with a TTL", () => {
  it("expires for a stream, and ends a blocking query of Consul's with 404", async () => {
    const { call, http } = await start();
    const put = await call("PUT /v1/heddle/kv/lease/a?ttl=1s", "x");
    expect(put).toMatchObject({ status: 200, body: { written: true, revision: expect.any(Number) } });
    expect((await call("GET /v1/heddle/kv/lease/a")).body).toMatchObject({
      key: "lease/a",
      value: "eA==",
      ttlMs: 1000,
      modifyRevision: put.body["revision"],
    });
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/lease/?since=now");
    const poll = call(`GET /v1/kv/lease/a?index=${put.body["revision"]}&wait=10s`);
    expect(await reader.next()).toMatchObject({ event: "expire", data: { key: "lease/a", value: "eA==" } });
    expect((await poll).status).toBe(404);
    expect(await call("GET /v1/heddle/kv/lease/a")).toMatchObject({
      status: 404,
      body: { code: "REGISTRY_KEY_NOT_FOUND" },
    });
    reader.close();
  });

  it("stays for ever once Consul's route wrote it", async () => {
    const { call } = await start();
    await call("PUT /v1/heddle/kv/a?ttl=1s", "x");
    await call("PUT /v1/kv/a", "x");
    expect((await call("GET /v1/heddle/kv/a")).body).not.toHaveProperty("ttlMs");
  });

  it.each(["ttl=soon", "ttl=0s", "ttl=-1s", "ttl=30d", "ttl=1", "acquire=x"])("refuses %s", async (query) => {
    const { call } = await start();
    expect((await call(`PUT /v1/heddle/kv/a?${query}`, "x")).status).toBe(400);
  });
});

describe("a conditional write", () => {
  it("is 409 when the key is not what was expected, and changes nothing", async () => {
    const { call } = await start();
    const first = await call("PUT /v1/heddle/kv/a?cas=0&flags=18446744073709551615", "1");
    expect((await call("PUT /v1/heddle/kv/a?cas=0", "2")).status).toBe(409);
    expect((await call("DELETE /v1/heddle/kv/a?cas=1")).status).toBe(409);
    expect((await call("GET /v1/heddle/kv/a")).body).toMatchObject({
      value: "MQ==",
      flags: "18446744073709551615",
    });
    const { status } = await call(`DELETE /v1/heddle/kv/a?cas=${first.body["revision"]}`);
    expect(status).toBe(200);
  });
});

describe("history", () => {
  it("is kept for keys under a rule, and answers any revision since", async () => {
    const { call } = await start();
    expect((await call("PUT /v1/heddle/history-rules/app/?versions=5&age=24h")).body).toEqual({
      prefix: "app/",
      versions: 5,
      ageMs: 86_400_000,
    });
    expect((await call("GET /v1/heddle/history-rules")).body).toHaveLength(1);
    const first = await call("PUT /v1/heddle/kv/app/a", "1");
    await call("PUT /v1/kv/app/a", "2");
    await call("DELETE /v1/kv/app/?recurse");
    const at = Number(first.body["revision"]);
    const values = await Promise.all(
      [0, 1].map(
        async (later) => (await call(`GET /v1/heddle/kv/app/a?revision=${at + later}`)).body["value"],
      ),
    );
    expect(values).toEqual(["MQ==", "Mg=="]);
    expect((await call(`GET /v1/heddle/kv/app/a?revision=${at + 2}`)).status).toBe(404);
    expect((await call(`GET /v1/heddle/kv/app/a?revision=${at - 1}`)).status).toBe(410);
    expect((await call("GET /v1/heddle/kv/app/a?revision=99999")).status).toBe(400);
    expect((await call("GET /v1/heddle/history/app/a")).body).toMatchObject([
      { action: "delete", revision: at + 2 },
      { action: "put", value: "Mg==" },
      { action: "put", value: "MQ==", at: expect.stringMatching(/^20\d\d-/) },
    ]);
    expect((await call("DELETE /v1/heddle/history-rules/app/")).status).toBe(204);
    expect((await call("GET /v1/heddle/history-rules")).body).toEqual([]);
  });
});

/** Discovery by what instances provide, over HTTP, with a client of Consul's that knows nothing of it. */
import { describe, expect, it } from "vitest";
import { startApi } from "../../test/fixtures/api.ts";

type Found = readonly {
  readonly id: string;
  readonly status: string;
  readonly provides: readonly string[];
}[];

async function start() {
  const api = await startApi();
  const provide = (id: string, provides: string, check?: object) =>
    api.consul.agent.service.register({
      id,
      name: "worker",
      port: 1,
      meta: { "heddle-provides": provides },
      ...(check && { check }),
    } as never);
  const discover = async (query: string) => {
    const { status, body, headers } = await api.client.exchange("GET", `/v1/heddle/discover?${query}`);
    const found = JSON.parse(body.toString()) as Found;
    return { status, found, index: headers["x-consul-index"] };
  };
  return { ...api, provide, discover };
}

describe("discovery", () => {
  it("finds who meets all needs, below what is asked for, too", async () => {
    const { provide, discover } = await start();
    await provide("a", "/cluster/1 /slice/42 /gem");
    await provide("b", "/cluster/1/rack/7 /slice/43");
    await provide("c", "/cluster/10 /gem");
    const ids = async (query: string) => (await discover(query)).found.map(({ id }) => id);
    expect(await ids("need=/cluster/1")).toEqual(["a", "b"]);
    expect(await ids("need=/cluster/1&need=/gem")).toEqual(["a"]);
    expect(await ids("need=/gem&need=/cluster/1")).toEqual(["a"]);
    expect(await ids("need=/gem")).toEqual(["a", "c"]);
    expect(await ids("need=/cluster")).toEqual(["a", "b", "c"]);
    expect(await ids("need=/nothing")).toEqual([]);
    expect((await discover("need=/slice/42")).found).toMatchObject([
      { node: "n1", address: "127.0.0.1", status: "passing", provides: ["/cluster/1", "/slice/42", "/gem"] },
    ]);
  });

  it("leaves out who does not pass, and blocks until the answer changes", async () => {
    const { provide, discover, consul } = await start();
    await provide("a", "/gem", { ttl: "1m" });
    const { found, index } = await discover("need=/gem&passing");
    expect(found).toEqual([]);
    let isDone = false;
    const poll = discover(`need=/gem&passing&index=${index}&wait=10s`).finally(() => {
      isDone = true;
    });
    await provide("b", "/other");
    expect(isDone).toBe(false);
    await consul.agent.check.pass("service:a");
    expect((await poll).found.map(({ id }) => id)).toEqual(["a"]);
  });

  it.each(["", "need=gem", "need=/", "need=/a//b", `need=/a${"&need=/a".repeat(16)}`])(
    "refuses %j",
    async (query) => {
      const { discover } = await start();
      expect((await discover(query)).status).toBe(400);
    },
  );

  it("that cannot work is refused at registration", async () => {
    const { client } = await start();
    const body = JSON.stringify({ Name: "w", Meta: { "heddle-provides": "gem" } });
    const { status, body: text } = await client.exchange("PUT", "/v1/agent/service/register", body);
    expect([status, text.toString()]).toEqual([400, expect.stringContaining("heddle-provides")]);
  });
});

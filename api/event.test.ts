/** User events: fired, listed, waited for, and never more than there is room for. */
import { expect, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

test("Consul's npm client fires and lists them", async () => {
  const { consul } = await startApi();
  expect(await consul.event.list()).toEqual([]);
  const fired = await consul.event.fire({
    name: "deploy",
    payload: "53",
    service: "web",
    tag: "v1",
    node: "n.",
  });
  expect(fired).toMatchObject({
    Name: "deploy",
    Payload: "53",
    ServiceFilter: "web",
    TagFilter: "v1",
    NodeFilter: "n.",
  });
  await consul.event.fire("other");
  const all = await consul.event.list();
  expect(all.map(({ Name }: { Name: string }) => Name)).toEqual(["deploy", "other"]);
  expect(await consul.event.list("deploy")).toMatchObject([{ ID: fired.ID, Payload: "53" }]);
});

test("a waiting reader wakes for the next one", async () => {
  const { client, registry } = await startApi();
  await client.exchange("PUT", "/v1/event/fire/a");
  const { headers } = await client.exchange("GET", "/v1/event/list");
  const poll = client.exchange("GET", `/v1/event/list?index=${String(headers["x-consul-index"])}`);
  await until(() => registry.status().waiters === 1);
  await client.exchange("PUT", "/v1/event/fire/b");
  expect(JSON.parse((await poll).body.toString())).toHaveLength(2);
});

test("the oldest makes room for the newest", async () => {
  const { writer, registry } = await startApi();
  const event = { payload: "", nodeFilter: "", serviceFilter: "", tagFilter: "" };
  for (let at = 0; at < 260; at++) await writer.fireEvent({ ...event, name: String(at) });
  expect(registry.events()).toHaveLength(256);
  expect(registry.events()[0]?.name).toBe("4");
});

test("what is too large is refused", async () => {
  const { client } = await startApi();
  const fire = async (name: string, body: string) =>
    (await client.exchange("PUT", `/v1/event/fire/${name}`, body)).status;
  expect(await fire("a", "x".repeat(8192))).toBe(200);
  expect(await fire("a", "x".repeat(8193))).toBe(413);
  expect(await fire("a".repeat(513), "")).toBe(400);
  expect(await fire("", "")).toBe(400);
});

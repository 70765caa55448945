/** The views of keys, from a server's registry to an agent. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TestFabric } from "../test/control/fabric.ts";
import { overflowKey } from "./index.ts";

let fabric: TestFabric;
beforeEach(() => {
  fabric = new TestFabric();
});
afterEach(() => fabric.close());

async function opened(path: string, limits = {}) {
  const server = await fabric.server({ limits });
  const agent = fabric.agent([server.address]);
  const view = agent.client.subscribe(`keys/${path}`);
  await view.whenReady();
  const put = (key: string, value: string) => server.writer.kvPut(key, Buffer.from(value));
  const holds = (expected: Readonly<Record<string, unknown>>) =>
    vi.waitFor(() => expect(Object.fromEntries(view.items)).toEqual(expected));
  return { server, view, put, holds };
}

it("hold a key and what lies below it, and nothing beside it, as it changes", async () => {
  const { server, put, holds } = await opened("a/b");
  await put("a/b/c/d", "1");
  await put("a/b", "2");
  await put("a/bc", "beside");
  await put("a", "above");
  await holds({ "a/b": { value: "2" }, "a/b/c/d": { value: "1" } });
  await put("a/b/c/d", "3");
  await server.writer.kvDelete("a/b");
  await holds({ "a/b/c/d": { value: "3" } });
  await server.writer.kvDeleteTree("a/");
  await holds({});
});

it("say that there are too many keys instead of holding a part, until there are few enough", async () => {
  const { server, put, holds } = await opened("a", { viewKeysMax: 2 });
  for (const key of ["a/1", "a/2", "a/3"]) await put(key, "x");
  await holds({ [overflowKey]: {} });
  await server.writer.kvDelete("a/2");
  await holds({ "a/1": { value: "x" }, "a/3": { value: "x" } });
});

it("leave a value out that is too large", async () => {
  const { put, holds } = await opened("a", { viewKeyBytesMax: 4 });
  await put("a/large", "12345");
  await put("a/small", "1234");
  await holds({ "a/small": { value: "1234" } });
});

/** What DNS may tell: by the rights of the node, once they are known. */
import { expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import type { CatalogReader, ServiceInstance } from "../../dns/index.ts";
import { FabricError } from "../../errors/index.ts";
import { allRights, Rights } from "../../registry/index.ts";
import { GuardedCatalog, type RightsNow } from "./guarded-catalog.ts";

const instance = { node: "n1" } as ServiceInstance;
const held = {
  service: () => [instance],
  node: () => ({ name: "n1" }),
  nodes: () => [{ name: "n1" }],
  query: () => ({ service: "web", instances: [instance] }),
  keys: () => ({ values: new Map([["k", "v"]]), complete: true }),
  reverse: () => [{ kind: "node", name: "n1" }],
  container: () => [parseIp("10.0.0.1")],
} as unknown as CatalogReader;

const guarded = (own: RightsNow["own"]) => new GuardedCatalog(held, { own, onChange: () => () => undefined });
const reads = (catalog: GuardedCatalog) => [
  () => catalog.service("web", "dc1"),
  () => catalog.node("n1", "dc1"),
  () => catalog.nodes("dc1"),
  () => catalog.query("web", "dc1"),
  () => catalog.keys("k"),
  () => catalog.reverse(parseIp("10.0.0.1")),
];

test("while the rights are not known no name is said not to be there", async () => {
  const unknown = () => Promise.reject(new FabricError("API_NO_SERVER", "ask for rights: nobody answers"));
  for (const read of reads(guarded(unknown())))
    await expect(read()).rejects.toMatchObject({ code: "API_NO_SERVER" });
});

test("rights that come late let the same be seen as those that are there", async () => {
  const [late, there] = [reads(guarded(Promise.resolve(allRights))), reads(guarded(allRights))];
  for (const [index, read] of late.entries()) expect(await read()).toEqual(await there[index]?.());
});

test("what may not be read is not there, except containers in their own network", async () => {
  const catalog = guarded(new Rights({ accessor: "", defaultAccess: "deny", rules: [] }));
  expect(await catalog.service("web", "dc1")).toBeUndefined();
  expect(await catalog.nodes("dc1")).toEqual([]);
  expect(await catalog.container("c", "net", "dc1")).toHaveLength(1);
});

/** Prepared queries, nearness and aliases between two hosts: made by HTTP on one, asked by HTTP and DNS on the other. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 2 } });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
  for (const host of [h1, h2]) await stage.registered(host, { ID: "web", Name: "web", Port: 80 });
});
afterAll(() => stage?.dispose());

async function json(host: Host, method: string, path: string, body?: object) {
  const answer = await stage.http(host, method, path, body && JSON.stringify(body));
  expect(answer.status, answer.body).toBe(200);
  return answer.body === "" ? undefined : JSON.parse(answer.body);
}

/** In the order of the answer. */
const asked = (host: Host, name: string) =>
  stage.digWhole(host, name).stdout.match(/(?<=\sIN\sA\s)\S+/g) ?? [];

it("a template made on one host answers names on the other, until it is gone", async () => {
  const { ID } = await json(h1, "POST", "/v1/query", {
    Name: "of-",
    Template: { Type: "name_prefix_match" },
    Service: { Service: "${name.suffix}" },
    DNS: { TTL: "17s" },
  });
  await waitFor("the query's name", async () => asked(h2, "of-web.query.consul").length === 2 || undefined);
  expect(asked(h2, "of-web.query.consul").toSorted()).toEqual([h1.address, h2.address].toSorted());
  expect(stage.digWhole(h2, "of-web.query.consul").stdout).toMatch(/of-web\.query\.consul\.\s+17\s+IN/);
  expect(stage.digWhole(h2, "of-none.query.consul").stdout).toContain("status: NXDOMAIN");
  await json(h1, "DELETE", `/v1/query/${ID}`);
  await waitFor(
    "the name to go",
    async () => stage.digWhole(h2, "of-web.query.consul").stdout.includes("NXDOMAIN") || undefined,
  );
});

it("_agent is the host where the question was asked, in HTTP and in DNS", async () => {
  const put = (Node: string, x: number) =>
    json(h1, "PUT", "/v1/coordinate/update", {
      Node,
      Coord: { Vec: [x, 0, 0, 0, 0, 0, 0, 0], Error: 0, Adjustment: 0, Height: 0 },
    });
  await put("h1", 0);
  await put("h2", 0.1);
  await json(h1, "POST", "/v1/query", { Name: "near", Service: { Service: "web", Near: "_agent" } });
  for (const [host, other] of [
    [h1, h2],
    [h2, h1],
  ] as const) {
    const order = [host.address, other.address];
    const nodes = await json(host, "GET", "/v1/health/service/web?near=_agent");
    expect(nodes.map((one: { Node: { Address: string } }) => one.Node.Address)).toEqual(order);
    const { Nodes } = await json(host, "GET", "/v1/query/near/execute");
    expect(Nodes.map((one: { Node: { Address: string } }) => one.Node.Address)).toEqual(order);
    await waitFor("the name", async () => asked(host, "near.query.consul").length === 2 || undefined);
    for (let turn = 0; turn < 5; turn++) expect(asked(host, "near.query.consul")).toEqual(order);
  }
});

it("an alias follows a service of another host", async () => {
  const Check = { CheckID: "beat", TTL: "10m", Status: "passing" };
  await stage.registered(h1, { ID: "db", Name: "db", Port: 1, Check });
  const alias = { AliasNode: "h1", AliasService: "db" };
  await stage.registered(h2, { ID: "front", Name: "front", Port: 2, Check: { CheckID: "alias", ...alias } });
  const status = (wanted: string) =>
    waitFor(`the alias to be ${wanted}`, async () => {
      const checks = await json(h2, "GET", "/v1/agent/checks");
      return checks.alias?.Status === wanted || undefined;
    });
  await status("passing");
  await json(h1, "PUT", "/v1/agent/check/fail/beat");
  await status("critical");
  await json(h1, "PUT", "/v1/agent/check/pass/beat");
  await status("passing");
});

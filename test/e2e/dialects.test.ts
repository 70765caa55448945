/** Names of other grammars than Consul's, on two hosts: written by HTTP on one, asked by dig on the other. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  const agent = ({ name }: Host) => (name === "plain" ? [] : ["--dialect", "skydns"]);
  stage = await Stage.open({ hosts: { h1: 1, h2: 2, plain: 1 }, agent });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
});
afterAll(() => stage?.dispose());

const put = async (path: string, record: object) => {
  const { status } = await stage.http(h1, "PUT", `/v1/kv/skydns/${path}`, record);
  expect(status).toBe(200);
};

describe("SkyDNS", () => {
  it("answers on every host what was written on one, and follows each write", async () => {
    await put("local/skydns/prod/web/1", { host: "10.1.0.1", port: 8080 });
    await put("local/skydns/prod/web/2", { host: "10.1.0.2", port: 8080, priority: 20 });
    await stage.resolves("web.prod.skydns.local", ["10.1.0.1", "10.1.0.2"], [h1, h2]);
    expect(stage.dig(h2, "web.*.skydns.local", "SRV")).toEqual([
      "10 100 8080 1.web.prod.skydns.local.",
      "20 100 8080 2.web.prod.skydns.local.",
    ]);
    await put("local/skydns/prod/web/2", { host: "10.1.0.3", port: 8080 });
    await stage.resolves("web.prod.skydns.local", ["10.1.0.1", "10.1.0.3"], [h1, h2]);
    await stage.http(h1, "DELETE", "/v1/kv/skydns/local/skydns/prod?recurse");
    await stage.resolves("web.prod.skydns.local", [], [h1, h2]);
    expect(stage.digWhole(h2, "web.prod.skydns.local").stdout).toContain("status: NXDOMAIN");
  });

  it("answers reverse names that were written down", async () => {
    await put("arpa/in-addr/10/1/0/9", { host: "nine.example.com" });
    expect(stage.dig(h2, "-x", "10.1.0.9")).toEqual(["nine.example.com."]);
  });

  it("is off unless it was switched on", async () => {
    await put("local/skydns/solo", { host: "10.1.0.4" });
    await stage.resolves("solo.skydns.local", ["10.1.0.4"], [h1]);
    expect(stage.dig(stage.host("plain"), "solo.skydns.local")).toEqual([]);
  });
});

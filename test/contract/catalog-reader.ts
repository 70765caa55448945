/**
 * What every CatalogReader keeps to, whatever stands behind it: a map, the registry, views pushed to an agent.
 * `make` gives a reader over an empty catalog and the ways to change what it reads.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ip, parseIp } from "../../addr/index.ts";
import {
  type CatalogChange,
  type CatalogReader,
  changeKey,
  type NodeAnswer,
  type ServiceInstance,
} from "../../dns/index.ts";

export interface CatalogUnderTest {
  readonly reader: CatalogReader;
  readonly datacenter: string;
  /** Resolves when the change was acknowledged to whoever made it. */
  readonly putNode: (node: NodeAnswer) => Promise<void>;
  /** One instance on a node that was put before. */
  readonly putInstance: (service: string, instance: ServiceInstance) => Promise<void>;
  readonly removeService: (service: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export function catalogReaderContract(name: string, make: () => Promise<CatalogUnderTest>): void {
  describe(`catalog reader: ${name}`, () => {
    let under: CatalogUnderTest;
    const changes: CatalogChange[] = [];
    let stopListening: () => void;

    beforeEach(async () => {
      under = await make();
      changes.length = 0;
      stopListening = under.reader.onChange((change) => changes.push(change));
    });
    afterEach(async () => {
      stopListening();
      await under.stop();
    });

    const ip: Ip = parseIp("10.1.0.1");
    const node: NodeAnswer = { name: "n1", up: true, addresses: [ip], meta: { rack: "a7" } };
    const instance = (port: number): ServiceInstance => ({
      node: "n1",
      nodeUp: true,
      nodeAddresses: [ip],
      port,
      tags: ["v1"],
      status: "passing",
    });
    const announced = (kind: CatalogChange["kind"], what: string) =>
      changes.some((change) => {
        if (change.kind === "all") return true;
        return change.kind === kind && changeKey(change).endsWith(`/${what}`);
      });

    test("what does not exist is undefined, and nothing has a free address", async () => {
      expect(await under.reader.service("web", under.datacenter)).toBeUndefined();
      expect(await under.reader.node("n1", under.datacenter)).toBeUndefined();
      expect(await under.reader.reverse(ip)).toEqual([]);
    });

    test("knows its own datacenter", () => {
      expect(under.reader.datacenters()).toContain(under.datacenter);
    });

    test("a node is found by name and by address", async () => {
      await under.putNode(node);
      await expect.poll(() => under.reader.node("n1", under.datacenter)).toEqual(node);
      const targets = await under.reader.reverse(ip);
      expect(targets).toContainEqual({ kind: "node", name: "n1", datacenter: under.datacenter });
    });

    test("an instance is handed over with its node's address and state", async () => {
      await under.putNode(node);
      await under.putInstance("web", instance(80));
      await expect
        .poll(async () => (await under.reader.service("web", under.datacenter))?.[0])
        .toMatchObject(instance(80));
    });

    test("a change is announced, and look-ups answer with it by then", async () => {
      await under.putNode(node);
      await under.reader.service("web", under.datacenter);
      changes.length = 0;
      const seen: Promise<number | undefined>[] = [];
      const stop = under.reader.onChange(() =>
        seen.push(
          Promise.resolve(under.reader.service("web", under.datacenter)).then((found) => found?.[0]?.port),
        ),
      );
      await under.putInstance("web", instance(81));
      await expect.poll(() => announced("service", "web")).toBe(true);
      stop();
      expect(await seen.at(-1)).toBe(81);
    });

    test("the end of a service is announced, and it is undefined or empty by then", async () => {
      await under.putNode(node);
      await under.putInstance("web", instance(80));
      await expect.poll(() => under.reader.service("web", under.datacenter)).toHaveLength(1);
      changes.length = 0;
      await under.removeService("web");
      await expect.poll(() => announced("service", "web")).toBe(true);
      expect((await under.reader.service("web", under.datacenter)) ?? []).toEqual([]);
    });

    test("answers are snapshots: a later change does not touch what was handed over", async () => {
      await under.putNode(node);
      await under.putInstance("web", instance(80));
      await expect.poll(() => under.reader.service("web", under.datacenter)).toHaveLength(1);
      const before = await under.reader.service("web", under.datacenter);
      const copy = structuredClone(before);
      await under.putInstance("web", instance(82));
      await expect
        .poll(async () => (await under.reader.service("web", under.datacenter))?.[0]?.port)
        .toBe(82);
      expect(before).toEqual(copy);
    });
  });
}

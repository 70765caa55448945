import { describe, expect, test } from "vitest";
import { parseIp, parseMac } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import {
  type EndpointRig,
  endpointRig,
  type RigParts,
  rigNetns,
  traces,
} from "../../test/lab/endpoint-rig.ts";
import type { AttachRequest } from "./endpoint.ts";
import type { EndpointLinks } from "./ports.ts";

const request: AttachRequest = {
  containerId: "c1",
  ifname: "eth0",
  network: "default",
  origin: { plugin: "cni", name: "default" },
  form: { kind: "interface", netns: rigNetns },
  addresses: [],
};
const withCode = (code: string) => expect.objectContaining({ code });

describe("attach", () => {
  test("gives one address, one link and one journal entry, and tells the listeners", async () => {
    const rig = await endpointRig();
    const told: string[] = [];
    rig.endpoints.onChange(({ kind, link }) => told.push(`${kind} ${link.hostIfname}`));
    const { addresses, link } = await rig.endpoints.attach(request);
    expect(addresses).toEqual([{ ip: "10.1.0.1", pool: "10.1.0.0/29" }]);
    expect(link).toMatchObject({ ifname: "eth0", netns: rigNetns, mtu: 1450, gateways: ["169.254.1.1"] });
    expect(await traces(rig)).toEqual([
      `link ${link?.hostIfname}`,
      "route 10.1.0.1/32",
      "entry endpoint/c1/eth0",
      "1 leases",
    ]);
    expect(rig.endpoints.links()).toEqual([link]);
    await rig.endpoints.detach(request);
    expect(told).toEqual([`attached ${link?.hostIfname}`, `detached ${link?.hostIfname}`]);
  });

  test("again with the same parameters answers the same and repairs the kernel", async () => {
    const rig = await endpointRig();
    const first = await rig.endpoints.attach(request);
    await rig.kernel.apply([{ op: "link.delete", link: first.link?.hostIfname ?? "" }]);
    expect(await rig.endpoints.attach(request)).toEqual(first);
    await rig.endpoints.check(request);
    expect(rig.addresses.size).toBe(1);
  });

  test.each<[string, Partial<AttachRequest>]>([
    ["network", { network: "web" }],
    ["namespace", { form: { kind: "interface", netns: "/run/netns/c2" } }],
    ["MAC", { form: { kind: "interface", netns: rigNetns, mac: parseMac("02:00:00:00:00:09") } }],
    ["MTU", { form: { kind: "interface", netns: rigNetns, mtu: 1300 } }],
    ["form", { form: { kind: "addresses" } }],
    ["address", { addresses: [parseIp("10.1.0.5")] }],
  ])("again with another %s is refused and changes nothing", async (_what, change) => {
    const rig = await endpointRig();
    await rig.endpoints.attach(request);
    const before = await traces(rig);
    await expect(rig.endpoints.attach({ ...request, ...change })).rejects.toThrow(
      withCode("ENDPOINT_EXISTS"),
    );
    expect(await traces(rig)).toEqual(before);
  });

  test("derives the same MAC for the same address and takes the one asked for", async () => {
    const rig = await endpointRig();
    const first = await rig.endpoints.attach(request);
    await rig.endpoints.detach(request);
    const second = await rig.endpoints.attach(request);
    expect(second.link?.mac).toBe(first.link?.mac);
    await rig.endpoints.detach(request);
    const mac = parseMac("02:00:00:00:00:09");
    const third = await rig.endpoints.attach({
      ...request,
      form: { kind: "interface", netns: rigNetns, mac },
    });
    expect(third.link?.mac).toBe(mac);
  });

  test("for addresses only makes no link", async () => {
    const rig = await endpointRig();
    const endpoint = await rig.endpoints.attach({ ...request, form: { kind: "addresses" } });
    expect(endpoint.link).toBeUndefined();
    expect(await traces(rig)).toEqual(["entry endpoint/c1/eth0", "1 leases"]);
    await rig.endpoints.detach(request);
    expect(await traces(rig)).toEqual([]);
  });

  test("into a namespace that is not there leaves nothing", async () => {
    const rig = await endpointRig();
    const form = { kind: "interface", netns: "/run/netns/gone" } as const;
    await expect(rig.endpoints.attach({ ...request, form })).rejects.toThrow(withCode("KERNEL_NO_NETNS"));
    expect(await traces(rig)).toEqual([]);
  });

  test("leaves nothing whichever kernel operation fails", async () => {
    for (let nth = 1; ; nth++) {
      const rig = await endpointRig();
      rig.kernel.failAt(nth);
      const failed = await rig.endpoints.attach(request).then(
        () => false,
        () => true,
      );
      if (!failed) {
        expect(nth).toBeGreaterThan(5);
        return;
      }
      expect(await traces(rig)).toEqual([]);
    }
  });

  test("whose intent cannot be written gives the lease back", async () => {
    const refusing = (store: Store): Store =>
      new Proxy(store, {
        get: (target, name) => {
          if (name === "txn") return () => Promise.reject(new Error("disk full"));
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    const rig = await endpointRig({ wrap: (parts) => ({ ...parts, store: refusing(parts.store) }) });
    await expect(rig.endpoints.attach(request)).rejects.toThrow("disk full");
    expect(await traces(rig)).toEqual([]);
  });

  test("beyond the limit of endpoints is refused", async () => {
    const rig = await endpointRig({ limits: { endpointsMax: 1 } });
    await rig.endpoints.attach({ ...request, form: { kind: "addresses" } });
    const second = { ...request, containerId: "c2" };
    await expect(rig.endpoints.attach(second)).rejects.toThrow(withCode("ENDPOINT_LIMIT"));
    expect(rig.addresses.size).toBe(1);
  });

  test("is done once when two ask for the same at the same time", async () => {
    const rig = await endpointRig();
    const [a, b] = await Promise.all([rig.endpoints.attach(request), rig.endpoints.attach(request)]);
    expect(a).toEqual(b);
    expect(rig.addresses.size).toBe(1);
  });
});

describe("detach", () => {
  test("of what is not there is a success", async () => {
    const rig = await endpointRig();
    await rig.endpoints.detach({ containerId: "never", ifname: "eth0" });
  });

  test("after the leases were lost still withdraws the routes", async () => {
    const rig = await endpointRig();
    const { link } = await rig.endpoints.attach(request);
    await rig.addresses.release(undefined, request);
    await rig.endpoints.detach(request);
    expect((await rig.kernel.routes({ protocol: 72 })).map(({ to }) => to)).toEqual([]);
    expect(await rig.kernel.link(link?.hostIfname ?? "")).toBeDefined();
    expect(await traces(rig)).toEqual([]);
  });

  test("works when the namespace is gone", async () => {
    const rig = await endpointRig();
    await rig.endpoints.attach(request);
    rig.kernel.removeNetns(rigNetns);
    await rig.endpoints.detach(request);
    expect(await traces(rig)).toEqual([]);
  });

  test("keeps the address while the kernel refuses, and succeeds when asked again", async () => {
    const rig = await endpointRig();
    await rig.endpoints.attach(request);
    rig.kernel.failAt(1);
    await expect(rig.endpoints.detach(request)).rejects.toThrow();
    expect(rig.addresses.size).toBe(1);
    expect(rig.endpoints.get(request)?.phase).toBe("detaching");
    expect(rig.endpoints.links()).toEqual([]);
    await rig.endpoints.detach(request);
    expect(await traces(rig)).toEqual([]);
  });

  test("of many goes on after an error and answers it", async () => {
    const rig = await endpointRig();
    const addressesOnly = { ...request, containerId: "c2", form: { kind: "addresses" } } as const;
    await rig.endpoints.attach(request);
    await rig.endpoints.attach(addressesOnly);
    rig.kernel.failAt(1);
    expect(await rig.endpoints.detachAll([request, addressesOnly])).toHaveLength(1);
    expect(rig.endpoints.get(addressesOnly)).toBeUndefined();
  });
});

describe("check", () => {
  test("finds what is missing in the kernel", async () => {
    const rig = await endpointRig();
    const { link } = await rig.endpoints.attach(request);
    await rig.kernel.apply([{ op: "link.change", link: link?.hostIfname ?? "", change: { mtu: 1400 } }]);
    await expect(rig.endpoints.check(request)).rejects.toThrow(withCode("OVERLAY_ENDPOINT_DRIFT"));
  });

  test("finds a lease that is gone", async () => {
    const rig = await endpointRig();
    await rig.endpoints.attach(request);
    await rig.addresses.release(undefined, request);
    await expect(rig.endpoints.check(request)).rejects.toThrow(withCode("ENDPOINT_LEASE_LOST"));
  });

  test("of what is not attached says so", async () => {
    const rig = await endpointRig();
    await expect(rig.endpoints.check(request)).rejects.toThrow(withCode("ENDPOINT_NOT_FOUND"));
  });
});

describe("after a crash", () => {
  /** Lets `steps` calls into the kernel, the store and the addresses begin; from then on the process is dead. */
  function crashAfter(steps: number): { wrap: NonNullable<RigParts["wrap"]>; crashed: () => boolean } {
    let left = steps;
    const dying = <T extends object>(part: T): T =>
      new Proxy(part, {
        get: (target, name) => {
          const value = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          if (name === "leasesOf" || name === "range") return value.bind(target);
          return async (...args: unknown[]) => {
            if (left-- <= 0) throw new Error("crashed before");
            const result: unknown = await value.apply(target, args);
            if (left-- <= 0) throw new Error("crashed after");
            return result;
          };
        },
      });
    const wrap = (parts: Parameters<NonNullable<RigParts["wrap"]>>[0]) => ({
      addresses: dying(parts.addresses),
      links: dying<EndpointLinks>(parts.links),
      store: dying(parts.store),
    });
    return { wrap, crashed: () => left < 0 };
  }

  async function crashAt(
    step: number,
    act: (rig: EndpointRig) => Promise<unknown>,
    before: boolean,
  ): Promise<EndpointRig | undefined> {
    const node = await endpointRig();
    if (before) await node.endpoints.attach(request);
    const { wrap, crashed } = crashAfter(step);
    const rig = await endpointRig({ node, wrap });
    await act(rig).catch(() => undefined);
    await rig.reconciler.stop(); // stands for the next process, which deletes links that nobody claims
    return crashed() ? endpointRig({ node }) : undefined;
  }

  const acts = [
    ["an attach", (rig: EndpointRig) => rig.endpoints.attach(request), false],
    ["a detach", (rig: EndpointRig) => rig.endpoints.detach(request), true],
  ] as const;

  describe.each(acts)("in the middle of %s", (_name, act, before) => {
    test("a repeated attach completes it", async () => {
      let step = 0;
      for (; ; step++) {
        const rig = await crashAt(step, act, before);
        if (!rig) break;
        const { link } = await rig.endpoints.attach(request);
        await rig.endpoints.check(request);
        expect(await traces(rig)).toEqual([
          `link ${link?.hostIfname}`,
          `route ${link?.addresses[0]}/32`,
          "entry endpoint/c1/eth0",
          "1 leases",
        ]);
      }
      expect(step).toBeGreaterThan(5);
    });

    test("a detach removes every trace", async () => {
      for (let step = 0; ; step++) {
        const rig = await crashAt(step, act, before);
        if (!rig) return;
        await rig.endpoints.detach(request);
        expect(await traces(rig)).toEqual([]);
      }
    });

    test("an attach with other parameters replaces what is half made", async () => {
      for (let step = 0; ; step++) {
        const rig = await crashAt(step, act, before);
        if (!rig) return;
        if (rig.endpoints.get(request)?.phase === "attached") continue;
        const endpoint = await rig.endpoints.attach({ ...request, form: { kind: "addresses" } });
        expect(endpoint.link).toBeUndefined();
        expect(await traces(rig)).toEqual(["entry endpoint/c1/eth0", "1 leases"]);
      }
    });
  });

  test("an endpoint without its leases is no endpoint, and is finished at start", async () => {
    let found = 0;
    for (let step = 0; ; step++) {
      const rig = await crashAt(step, (each) => each.endpoints.detach(request), true);
      if (!rig) break;
      const entry = rig.endpoints.get(request);
      const isLost = entry !== undefined && rig.addresses.size === 0;
      if (isLost) found++;
      expect(rig.endpoints.links()).toHaveLength(entry && !isLost ? 1 : 0);
      expect(await rig.endpoints.detachVoid()).toEqual([]);
      if (isLost) expect(await traces(rig)).toEqual([]);
    }
    expect(found).toBeGreaterThan(0);
  });

  test("a detach finds the link of an endpoint whose journal was lost", async () => {
    const node = await endpointRig();
    await node.endpoints.attach(request);
    const { kernel, addresses } = node;
    const rig = await endpointRig({ node: { kernel, addresses, store: new MemoryStore() } });
    await rig.endpoints.detach(request);
    expect(await traces(rig)).toEqual([]);
  });

  test("a journal entry that cannot be read stops the start", async () => {
    const rig = await endpointRig();
    await rig.store.txn({ success: [{ op: "put", key: "endpoint/c1/eth0", value: Buffer.from("{") }] });
    await expect(endpointRig({ node: rig })).rejects.toThrow(withCode("ENDPOINT_JOURNAL_INVALID"));
  });
});

test("a kernel that hangs costs the caller its deadline, then the next attach completes it", async () => {
  const clock = new ManualClock();
  let letGo: () => void = () => undefined;
  const hang = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const rig = await endpointRig({
    clock,
    limits: { deadlineMs: 2000 },
    wrap: (parts) => ({
      ...parts,
      links: {
        check: (spec) => parts.links.check(spec),
        detach: (target) => parts.links.detach(target),
        attach: async (spec) => {
          await hang;
          return parts.links.attach(spec);
        },
      },
    }),
  });
  const late = expect(rig.endpoints.attach(request)).rejects.toThrow(withCode("ENDPOINT_DEADLINE"));
  await clock.advance(2000);
  await late;
  letGo();
  const again = await rig.endpoints.attach(request);
  expect(again.addresses).toEqual([{ ip: "10.1.0.1", pool: "10.1.0.0/29" }]);
});

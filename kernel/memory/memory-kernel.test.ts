/** What the twin offers to tests beyond the contract. */
import { expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { applyAll, type KernelOperation, MemoryKernel, refusedErrno } from "../index.ts";

const bridge = (name: string): KernelOperation => ({ op: "link.create", link: { kind: "bridge", name } });

test("failAt() fails that one operation, in whichever namespace it comes", async () => {
  const kernel = new MemoryKernel();
  const guest = kernel.addNetns("/run/netns/g");
  kernel.failAt(2, "EBUSY");
  await applyAll(kernel, [bridge("b1")]);
  const [error] = await guest.apply([bridge("b2")]);
  expect(refusedErrno(error)).toBe("EBUSY");
  expect(await guest.link("b2")).toBeUndefined();
  await applyAll(guest, [bridge("b2")]);
  expect(kernel.applied).toBe(3);
});

test("overrun() reaches every subscriber", async () => {
  const kernel = new MemoryKernel();
  const stop = new AbortController();
  const events = kernel.events(["link"], stop.signal)[Symbol.asyncIterator]();
  await applyAll(kernel, [bridge("b1")]);
  kernel.overrun();
  expect((await events.next()).value).toEqual({ kind: "overrun" });
  stop.abort();
  expect((await events.next()).done).toBe(true);
});

test("addDevice() gives the host a network card that routes can leave by", async () => {
  const kernel = new MemoryKernel();
  const linkIndex = kernel.addDevice("eth0");
  await applyAll(kernel, [{ op: "address.put", link: "eth0", ip: parseIp("192.0.2.1"), prefix: 24 }]);
  expect(await kernel.routeTo(parseIp("192.0.2.7"))).toEqual({ linkIndex, source: "192.0.2.1" });
});

test("an nft map takes a key once, and a chain with rules stays", async () => {
  const kernel = new MemoryKernel();
  const at = { family: "inet", table: "t" };
  await kernel.nftApply([
    { add: { table: { family: "inet", name: "t" } } },
    { add: { map: { ...at, name: "m", type: "ipv4_addr", map: "verdict" } } },
    { add: { chain: { ...at, name: "c" } } },
    { add: { rule: { ...at, chain: "c", expr: [] } } },
    { add: { element: { ...at, name: "m", elem: [["10.0.0.1", { drop: null }]] } } },
  ]);
  const again = { add: { element: { ...at, name: "m", elem: [["10.0.0.1", { accept: null }]] } } };
  await expect(kernel.nftApply([again])).rejects.toThrow(/File exists/);
  await expect(kernel.nftApply([{ delete: { chain: { ...at, name: "c" } } }])).rejects.toThrow(/busy/);
  const none = { delete: { element: { ...at, name: "m", elem: ["10.0.0.2"] } } };
  await expect(kernel.nftApply([{ flush: { map: { ...at, name: "m" } } }, none])).rejects.toThrow(
    /No such file/,
  );
  const map = (await kernel.nftTable("inet", "t"))?.find((object) => "map" in (object as object));
  expect(map).toMatchObject({ map: { elem: [["10.0.0.1", { drop: null }]] } });
});

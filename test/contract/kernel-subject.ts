/** What the kernel contract is said of: two namespaces, `host` and `guest`, which start with nothing but loopback. */
import { afterEach, beforeEach } from "vitest";
import { parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import {
  applyAll,
  type Kernel,
  type KernelOperation,
  type Route,
  type RouteSpec,
} from "../../kernel/index.ts";

export interface KernelFixture {
  readonly host: Kernel;
  readonly guest: Kernel;
  /** Path of the guest's namespace. */
  readonly guestPath: string;
  removeGuest(): Promise<void>;
  close(): Promise<void>;
}

export type OpenKernels = () => Promise<KernelFixture>;

export const gateway = parseIp("10.7.0.9");
export const mac = parseMac("02:00:00:00:00:77");

/** A veth pair, marked as ours. */
export const pair = {
  op: "link.create",
  link: { kind: "veth", name: "hd1", alias: "heddle:hd1", up: true, peer: { name: "hd1p", up: true } },
} as const satisfies KernelOperation;

export function ours(to: string, fields: Partial<RouteSpec> = {}): RouteSpec {
  return { to: parseCidr(to), type: "unicast", protocol: 72, table: 254, ...fields };
}

export function oursOf(kernel: Kernel): Promise<readonly Route[]> {
  return kernel.routes({ protocol: 72 });
}

/** Answers the pair's index. */
export async function makePair(host: Kernel): Promise<number> {
  await applyAll(host, [pair]);
  return (await host.link("hd1"))?.index ?? 0;
}

/** The pair with an address of each family; answers its index. */
export async function addressed(host: Kernel): Promise<number> {
  const index = await makePair(host);
  await applyAll(host, [
    { op: "address.put", link: "hd1", ip: parseIp("10.7.0.1"), prefix: 24 },
    { op: "address.put", link: "hd1", ip: parseIp("fd07::1"), prefix: 64 },
  ]);
  return index;
}

/** How the operation is refused; undefined when it is not. */
export async function failure(host: Kernel, operation: KernelOperation) {
  const [error] = await host.apply([operation]);
  return error && { errno: error.details["errnoName"], sentence: error.details["kernelMessage"] };
}

/** Opens the namespaces before each test and closes them after it. */
export function eachTest(open: OpenKernels, use: (fixture: KernelFixture) => void): void {
  let opened: KernelFixture | undefined;
  beforeEach(async () => {
    opened = await open();
    use(opened);
  });
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
  });
}

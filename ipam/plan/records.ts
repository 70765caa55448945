/**
 * Where the address plan stands in the store, and how it is written: JSON as UTF-8 under keys whose parts
 * hold no slash. Views and the overlay read `networks`, `blocks` and `statics` as they are.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { StoreItem } from "../../store/index.ts";

export const ipamKeys = {
  networks: "ipam/networks/",
  blocks: "ipam/blocks/",
  statics: "ipam/statics/",
  nodes: "ipam/nodes/",
  retired: "ipam/retired/",
  /** While the plan is gathered from the nodes, and what came of it: see recovery/. */
  recovery: "ipam/recovery",
  restated: "ipam/restated/",
  restatedBy: (node: string) => `ipam/restated/${encodeURIComponent(node)}`,
  /** Written by every new network, so that two that overlap cannot be made at the same time. */
  plan: "ipam/plan",
  network: (name: string) => `ipam/networks/${name}`,
  blocksOf: (network: string) => `ipam/blocks/${network}/`,
  block: (network: string, cidr: Cidr) => `ipam/blocks/${network}/${cidr.replace("/", "_")}`,
  staticsOf: (network: string) => `ipam/statics/${network}/`,
  static: (network: string, ip: Ip) => `ipam/statics/${network}/${ip}`,
  holds: "ipam/holds/",
  holdsOf: (network: string) => `ipam/holds/${network}/`,
  /** The static addresses inside of one block: what makes a block claim and a static claim see each other. */
  hold: (network: string, block: Cidr) => `ipam/holds/${network}/${block.replace("/", "_")}`,
  node: (node: string) => `ipam/nodes/${encodeURIComponent(node)}`,
  retiredOf: (node: string) => `ipam/retired/${encodeURIComponent(node)}/`,
  retiredTerm: (node: string, epoch: number) => `ipam/retired/${encodeURIComponent(node)}/${epoch}`,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeRecord(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** The type is the caller's knowledge of the key. @throws IPAM_RECORD_INVALID */
export function decodeRecord<T>(item: Pick<StoreItem, "key" | "value">): T {
  try {
    return JSON.parse(decoder.decode(item.value)) as T;
  } catch (cause) {
    throw new FabricError(
      "IPAM_RECORD_INVALID",
      `read ${item.key} of the store: the value is not JSON; restore it from a backup or delete the key`,
      { cause, details: { key: item.key } },
    );
  }
}

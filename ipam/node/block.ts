/**
 * One block of a node as a map of its addresses. A value: each change makes a new one, at the cost of a copy
 * of at most `blockAddressesMax` bytes (64 by default).
 *
 * `free` is the number of free cells. The next address is searched from where the last one was found, so that
 * an address comes back into use as late as possible.
 */
import {
  addressCount,
  type Cidr,
  cidrFamily,
  cidrFirst,
  cidrNth,
  type Family,
  familyOf,
  type Ip,
  ipToBigInt,
} from "../../addr/index.ts";
import type { BlockClaim } from "../plan/index.ts";

/** `reserved`: by the claim, or claimed by name through the store. */
export type Cell = "free" | "reserved" | "held" | "resting";
const cells: readonly Cell[] = ["free", "reserved", "held", "resting"];

export interface Block {
  readonly claim: BlockClaim;
  /** Being given back: nothing is allocated from it. */
  readonly releasing: boolean;
  readonly family: Family;
  readonly first: bigint;
  readonly map: Uint8Array;
  readonly free: number;
  readonly cursor: number;
}

export function makeBlock(claim: BlockClaim, releasing: boolean): Block {
  const size = Number(addressCount(claim.cidr));
  const empty: Block = {
    claim,
    releasing,
    family: cidrFamily(claim.cidr),
    first: ipToBigInt(cidrFirst(claim.cidr)),
    map: new Uint8Array(size),
    free: size,
    cursor: 0,
  };
  return claim.reserved.reduce((block, ip) => withCell(block, ip, "reserved"), empty);
}

/** -1 if outside. */
function offsetIn(block: Block, ip: Ip): number {
  if (familyOf(ip) !== block.family) return -1;
  const offset = ipToBigInt(ip) - block.first;
  return offset >= 0n && offset < BigInt(block.map.length) ? Number(offset) : -1;
}

export function holdsIp(block: Block, ip: Ip): boolean {
  return offsetIn(block, ip) >= 0;
}

export function cellOf(block: Block, ip: Ip): Cell {
  return cells[block.map[offsetIn(block, ip)] ?? 1] ?? "reserved";
}

export function withCell(block: Block, ip: Ip, cell: Cell): Block {
  const offset = offsetIn(block, ip);
  if (offset < 0) return block;
  const map = block.map.slice();
  const wasFree = map[offset] === 0;
  map[offset] = cells.indexOf(cell);
  const free = block.free + (cell === "free" ? 1 : 0) - (wasFree ? 1 : 0);
  return { ...block, map, free, cursor: cell === "held" ? (offset + 1) % map.length : block.cursor };
}

/** The free address to hand out next. */
export function nextFree(block: Block): Ip | undefined {
  if (block.free === 0 || block.releasing) return undefined;
  for (let i = 0; i < block.map.length; i++) {
    const offset = (block.cursor + i) % block.map.length;
    if (block.map[offset] === 0) return cidrNth(block.claim.cidr, offset);
  }
  return undefined;
}

export function countCells(block: Block, cell: Cell): number {
  const code = cells.indexOf(cell);
  return block.map.reduce((count, value) => count + (value === code ? 1 : 0), 0);
}

export function isEmptyBlock(block: Block): boolean {
  return countCells(block, "held") === 0 && countCells(block, "resting") === 0;
}

export function blockCidrs(blocks: Iterable<Block>, pool: Cidr): readonly Cidr[] {
  return [...blocks].filter((block) => block.claim.pool === pool).map((block) => block.claim.cidr);
}

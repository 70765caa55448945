/**
 * Where things are in Consul.
 *
 *   <prefix>store                   who this is
 *   <prefix>log/SEQ                 transactions, from 1, 16 digits
 *   <prefix>snapshot/head           SEQ of the latest snapshot
 *   <prefix>snapshot/SEQ/PART       its parts
 *   <prefix>lease/ID                written anew at each renewal of the lease ID, gone when it ended
 */
import { checkPrefix } from "../core/store-record.ts";

export class LogKeys {
  readonly prefix: string;
  readonly store: string;
  readonly log: string;
  readonly snapshots: string;
  readonly snapshotHead: string;
  readonly leases: string;

  /** @throws STORE_INVALID_PREFIX */
  constructor(prefix: string) {
    checkPrefix(prefix);
    this.prefix = prefix;
    this.store = `${prefix}store`;
    this.log = `${prefix}log/`;
    this.snapshots = `${prefix}snapshot/`;
    this.snapshotHead = `${prefix}snapshot/head`;
    this.leases = `${prefix}lease/`;
  }

  entry(seq: number): string {
    return `${this.log}${digits(seq)}`;
  }

  chunk(seq: number, part: number): string {
    return `${this.snapshots}${digits(seq)}/${part}`;
  }

  lease(id: string): string {
    return `${this.leases}${id}`;
  }

  /** Of an entry or a part of a snapshot; NaN for others. */
  seqOf(key: string): number {
    return Number(/\/(\d{16})(?:\/\d+)?$/.exec(key)?.[1]);
  }
}

function digits(seq: number): string {
  return `${seq}`.padStart(16, "0");
}

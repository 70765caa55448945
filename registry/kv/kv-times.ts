/**
 * Which keys have a time, and whether it lasts. A key's record names its lease, and `kv-ttl/<lease>` hangs on that
 * lease: when it goes away first, the key's time is over; when the key lets go of it first (it was deleted, or
 * written anew), nobody needs the lease. Either way the lease is told, for the keeper to act (kv-keeper.ts).
 */
/** Before the lease, among what a change of the registry moved; nobody waits for it. */
export const partedLeaseTopic = "kvLease:";

export class KvTimes {
  /** Lease whose time lasts → revision of its mark in the store. */
  readonly #lasting = new Map<string, number>();
  /** Lease → the key that has it. */
  readonly #keys = new Map<string, string>();
  readonly #parted: (lease: string) => void;

  constructor(parted: (lease: string) => void) {
    this.#parted = parted;
  }

  wrote(key: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return;
    if (before !== undefined) {
      this.#keys.delete(before);
      this.#parted(before);
    }
    if (after !== undefined) this.#keys.set(after, key);
  }

  start(lease: string, revision: number): void {
    this.#lasting.set(lease, revision);
  }

  end(lease: string): void {
    if (this.#lasting.delete(lease)) this.#parted(lease);
  }

  lasts(lease: string): boolean {
    return this.#lasting.has(lease);
  }

  keyOf(lease: string): string | undefined {
    return this.#keys.get(lease);
  }

  revisionOf(lease: string): number {
    return this.#lasting.get(lease) ?? 0;
  }

  /** Of keys, and without one. */
  leases(): Set<string> {
    return new Set([...this.#lasting.keys(), ...this.#keys.keys()]);
  }

  lasting(): IterableIterator<string> {
    return this.#lasting.keys();
  }
}

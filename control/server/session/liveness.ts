/**
 * A node is alive while `live/<node>` stands, and that stands while its lease is kept. The lease is kept by the
 * agent's heartbeats, not by a timer of the server's, so that a server with a dead agent on its hands lets go.
 *
 * A broken stream leaves the key to its TTL: the agent is usually back within a second and nobody noticed. A
 * goodbye takes it at once. A new session brings its own lease; the old one then ends without a key. A join that
 * comes late, when its agent has long gone to another server, writes the key once more under a lease of its own and takes
 * it along when that ends: so who hears the agent also looks on whose lease the key hangs, and takes it back.
 *
 * Whoever frees a node's blocks at once does so only while that key is not there (ipam/node-terms.ts). So after it was
 * written the term is looked at again: a node whose blocks were freed just before is not welcomed into that term.
 */
import type { Clock } from "../../../clock/index.ts";
import { isFabricError } from "../../../errors/index.ts";
import type { RegistryReads, RegistryWrites } from "../../../registry/index.ts";
import type { Store } from "../../../store/index.ts";

export interface LivenessOptions {
  readonly store: Pick<Store, "grantLease" | "keepAlive" | "revokeLease">;
  readonly writer: Pick<RegistryWrites, "setLive">;
  readonly registry: Pick<RegistryReads, "liveLease">;
  readonly clock: Clock;
  readonly ttlMs: number;
  /** Whether the node's term still stands, asked each time after the key was written. @throws IPAM_STALE_EPOCH */
  readonly confirm: () => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  readonly #node: string;
  #lease: string | undefined;
  #keptAtMs = 0;
  #busy: Promise<void> = Promise.resolve();
  #isBusy = false;
  #ended = false;

  constructor(node: string, options: LivenessOptions) {
    this.#node = node;
    this.#options = options;
  }

  /** Makes the node alive. @throws what the store and the registry throw */
  async start(): Promise<void> {
    const { store, writer, clock, ttlMs } = this.#options;
    this.#keptAtMs = clock.monotonicMs();
    const lease = await store.grantLease(ttlMs);
    this.#lease = lease.id;
    await this.#write(writer, lease.id);
  }

  /** Since the lease was kept. When it was due and was not, the node will be taken for dead although its agent is heard. */
  get unkeptMs(): number {
    return this.#options.clock.monotonicMs() - this.#keptAtMs;
  }

  /** The agent was heard. Never rejects. */
  beat(): void {
    const { clock, ttlMs } = this.#options;
    const isDue = clock.monotonicMs() - this.#keptAtMs >= ttlMs / 3;
    if (this.#isBusy || this.#ended || !(isDue || this.#isAnothers())) return;
    this.#isBusy = true;
    this.#busy = this.#keep()
      .catch(this.#options.onFailure)
      .finally(() => {
        this.#isBusy = false;
      });
  }

  /** With `goodbye` the node is dead on return, otherwise when its lease ends. */
  async stop(goodbye: boolean): Promise<void> {
    this.#ended = true;
    await this.#busy;
    if (goodbye && this.#lease !== undefined) await this.#options.store.revokeLease(this.#lease);
  }

  async #write(writer: LivenessOptions["writer"], lease: string): Promise<void> {
    await writer.setLive(this.#node, lease);
    await this.#options.confirm();
  }

  #isAnothers(): boolean {
    const lease = this.#options.registry.liveLease(this.#node);
    return lease !== undefined && lease !== this.#lease;
  }

  async #keep(): Promise<void> {
    const { store, clock, writer, registry } = this.#options;
    const atMs = clock.monotonicMs();
    try {
      if (this.#lease === undefined) return;
      await store.keepAlive(this.#lease);
      this.#keptAtMs = atMs;
      if (registry.liveLease(this.#node) !== this.#lease) await this.#write(writer, this.#lease);
    } catch (error) {
      if (!isFabricError(error, "STORE_LEASE_NOT_FOUND")) throw error;
      await this.start();
    }
  }
}

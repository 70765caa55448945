/**
 * Snapshots, so that the log does not grow: once enough entries came, one of the servers writes the state down and
 * trims what an older snapshot held already.
 *
 * Always holds: the parts are whole before the head names them; entries are trimmed only behind the snapshot before the
 * last, so that the end of the log is always there; a replica that is still further behind loads the snapshot.
 */
import type { Clock } from "../../clock/index.ts";
import type { ConsulApi } from "./consul-api.ts";
import type { ConsulLimits } from "./limits.ts";
import { encodeSnapshot } from "./log-entry.ts";
import type { LogKeys } from "./log-keys.ts";
import { type Held, snapshotSeq } from "./replica.ts";

/** So that servers which noticed together do not write together. */
const spreadMs = 1000;

export interface SnapshotsOptions {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly clock: Clock;
  readonly limits: ConsulLimits;
  readonly random: () => number;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  #running: Promise<void> | undefined;
  #known = 0;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Called with each entry. */
  consider(held: () => Held): void {
    const { limits } = this.#options;
    if (held().seq - this.#known < limits.snapshotEntries || this.#running) return;
    this.#running = this.#write(held)
      // The next entry asks again.
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
      });
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  async #write(held: () => Held): Promise<void> {
    const { api, keys, clock, limits, random } = this.#options;
    await clock.sleep(spreadMs * random());
    const head = (await api.together([keys.snapshotHead])).get(keys.snapshotHead);
    const before = snapshotSeq(head?.value);
    const { seq, state, hold } = held();
    this.#known = before;
    if (seq - before < limits.snapshotEntries) return;
    const text = encodeSnapshot({
      revision: state.revision,
      leases: state.leases.prefix(""),
      items: state.items.prefix(""),
      hold,
    });
    const parts = chunks(text, limits.chunkBytesMax);
    for (const [index, part] of parts.entries()) await api.set(keys.chunk(seq, index), part);
    // Ends the list for a reader also where a longer one was left half-way.
    await api.set(keys.chunk(seq, parts.length), "");
    if (!(await api.replace(keys.snapshotHead, `${seq}`, head?.index))) return;
    this.#known = seq;
    const old = [...(await api.keys(keys.log)), ...(await api.keys(keys.snapshots))];
    const isEntry = (key: string) => key.startsWith(keys.log);
    await api.delete(
      old.filter((key) => (isEntry(key) ? keys.seqOf(key) <= before : keys.seqOf(key) < before)),
    );
  }
}

/** By characters of at most 3 bytes each. */
function chunks(text: string, bytesMax: number): string[] {
  const size = Math.floor(bytesMax / 3);
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + size);
    // Never between the halves of a character.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end--;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}

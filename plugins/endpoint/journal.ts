/** The endpoints of this node on disk, one store entry each, with all of them in memory. */
import { FabricError } from "../../errors/index.ts";
import type { Store, Write } from "../../store/index.ts";
import { type Endpoint, type EndpointRef, showEndpoint } from "./endpoint.ts";

export const endpointPrefix = "endpoint/";

export class EndpointJournal {
  readonly #store: Store;
  readonly #endpointsMax: number;
  readonly #entries = new Map<string, Endpoint>();

  private constructor(store: Store, endpointsMax: number) {
    this.#store = store;
    this.#endpointsMax = endpointsMax;
  }

  /** @throws ENDPOINT_JOURNAL_INVALID for an entry that cannot be read: guessing would lose or double an address */
  static async open(store: Store, endpointsMax: number): Promise<EndpointJournal> {
    const journal = new EndpointJournal(store, endpointsMax);
    for (const { key, value } of (await store.range(endpointPrefix)).items) {
      journal.#entries.set(key, parseEntry(key, value));
    }
    return journal;
  }

  get(ref: EndpointRef): Endpoint | undefined {
    return this.#entries.get(keyOf(ref));
  }

  list(): readonly Endpoint[] {
    return [...this.#entries.values()];
  }

  /** @throws ENDPOINT_LIMIT for a new one when the node is full */
  assertRoom(ref: EndpointRef): void {
    if (!this.#entries.has(keyOf(ref)) && this.#entries.size >= this.#endpointsMax) {
      throw new FabricError(
        "ENDPOINT_LIMIT",
        `attach ${showEndpoint(ref)}: this node has ${this.#endpointsMax} endpoints already; remove containers or raise the limit`,
      );
    }
  }

  /** Answers when the entry would survive a crash. */
  async put(endpoint: Endpoint): Promise<void> {
    const key = keyOf(endpoint.request);
    await this.#write({ op: "put", key, value: Buffer.from(JSON.stringify(endpoint)) });
    this.#entries.set(key, endpoint);
  }

  /** Until the next start only: on disk the entry stays as it is. */
  hold(endpoint: Endpoint): void {
    this.#entries.set(keyOf(endpoint.request), endpoint);
  }

  async delete(ref: EndpointRef): Promise<void> {
    const key = keyOf(ref);
    await this.#write({ op: "delete", key });
    this.#entries.delete(key);
  }

  async #write(write: Write): Promise<void> {
    await this.#store.txn({ success: [write] });
  }
}

/** A slash cannot be in an interface name, nor in an encoded container id. */
function keyOf({ containerId, ifname }: EndpointRef): string {
  return `${endpointPrefix}${encodeURIComponent(containerId)}/${encodeURIComponent(ifname)}`;
}

function parseEntry(key: string, value: Uint8Array): Endpoint {
  try {
    const entry = JSON.parse(Buffer.from(value).toString()) as Endpoint;
    if (keyOf(entry.request) === key && ["attaching", "attached"].includes(entry.phase)) return entry;
  } catch {
    // falls through to the error below, which names the entry instead of the place of a missing brace
  }
  throw new FabricError(
    "ENDPOINT_JOURNAL_INVALID",
    `open the endpoint journal: entry ${JSON.stringify(key)} cannot be read; restore the agent's data directory, or delete the entry after removing its container`,
  );
}

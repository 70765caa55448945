/** Fires user events: one key each, written once, the oldest taken away in the same transaction. */
import { FabricError } from "../../errors/index.ts";
import type { Store, Write } from "../../store/index.ts";
import { encodeEvent } from "../codec.ts";
import { eventKey } from "../keys.ts";
import type { EventEntry, EventRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";

/** Kept for readers; Consul keeps as many. */
export const eventsMax = 256;
export const eventPayloadBytesMax = 8 * 1024;
export const eventTextBytesMax = 512;

export class EventWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #newId: () => string;

  constructor(store: Store, registry: RegistryReads, newId: () => string) {
    this.#store = store;
    this.#registry = registry;
    this.#newId = newId;
  }

  async fire(
    spec: Omit<EventRecord, "id">,
  ): Promise<{ readonly event: EventEntry; readonly revision: number }> {
    assertBounds(spec);
    const record = { ...spec, id: this.#newId() };
    const held = this.#registry.events();
    const oldest = held.slice(0, Math.max(0, held.length + 1 - eventsMax));
    const gone = oldest.map(({ id }): Write => ({ op: "delete", key: eventKey(id) }));
    const { revision } = await this.#store.txn(
      transaction([], [{ op: "put", key: eventKey(record.id), value: encodeEvent(record) }, ...gone]),
    );
    return { event: { ...record, createIndex: revision, modifyIndex: revision }, revision };
  }
}

function assertBounds({
  name,
  payload,
  nodeFilter,
  serviceFilter,
  tagFilter,
}: Omit<EventRecord, "id">): void {
  const bytes = Buffer.byteLength(payload, "base64");
  if (bytes > eventPayloadBytesMax) {
    throw new FabricError(
      "REGISTRY_VALUE_TOO_LARGE",
      `fire event ${JSON.stringify(name.slice(0, 64))}: its payload has ${bytes} bytes, at most ${eventPayloadBytesMax} are taken; send a reference`,
      { details: { limit: "eventPayloadBytesMax", max: eventPayloadBytesMax } },
    );
  }
  for (const text of [name, nodeFilter, serviceFilter, tagFilter]) {
    if (Buffer.byteLength(text) <= eventTextBytesMax && text.isWellFormed()) continue;
    throw new FabricError(
      "REGISTRY_INVALID",
      `fire event: its name and filters have at most ${eventTextBytesMax} bytes each; shorten them`,
      { details: { limit: "eventTextBytesMax", max: eventTextBytesMax } },
    );
  }
}

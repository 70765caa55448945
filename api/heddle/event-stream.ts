/**
 * Changes as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html), so that browsers,
 * curl and a dozen lines of any language can follow them.
 *
 * An event's id is the position behind it: `REVISION@HISTORY`, and `REVISION.N@HISTORY` behind the Nth event of a
 * revision that has more. Whoever comes back with the last id (`Last-Event-ID`, or `since`) goes on there: no gap
 * and nothing twice, whichever server answers. HISTORY is the store; positions in another one mean nothing and are
 * refused. A heartbeat moves the id, too, so that a reader of something quiet does not grow old.
 *
 * Always holds: a stream keeps one batch of changes and a cursor, however slow its reader is; one that falls off the
 * log is told so by the event `compacted`, and ends.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { Change, ChangeCursor, ChangePosition } from "../../registry/index.ts";
import { type ContentReads, type RegistryProgress, seesChange } from "../access/guarded-reads.ts";
import type { ByteStream } from "../request.ts";
import type { Call } from "../route.ts";

export const streamsMax = 4096;
export const heartbeatMs = 15_000;
/** Events of a first look are gathered to about so much. */
const partBytes = 32 * 1024;
const reconnectMs = 1000;

/** Streams open in this process. */
export class StreamCount {
  #open = 0;
  readonly #max: number;

  constructor(max = streamsMax) {
    this.#max = max;
  }

  /** @throws API_LIMIT */
  enter(): void {
    if (this.#open >= this.#max) {
      throw new FabricError(
        "API_LIMIT",
        `open event stream: ${this.#max} are open on this server; close some, or ask another server`,
        { details: { limit: "streamsMax", max: this.#max } },
      );
    }
    this.#open++;
  }

  leave(): void {
    this.#open--;
  }
}

export interface EventSource {
  readonly registry: RegistryProgress;
  /** What it holds, as far as the request may see it. */
  reads(call: Call): ContentReads;
  readonly clock: Clock;
  readonly streams: StreamCount;
  readonly heartbeatMs: number;
}

export interface Followed {
  /** Of changePath. */
  readonly prefix: string;
  /** All that there is when it is called, for readers that come without a position; shaped as it is taken. */
  readonly now: () => Iterable<object>;
  readonly shape: (subject: Change["subject"]) => object;
}

/**
 * Resolves when it is sure that there is a stream.
 * @throws API_BAD_REQUEST, API_LIMIT, REGISTRY_COMPACTED when what the reader missed is no longer known
 */
export async function openEventStream(
  source: EventSource,
  followed: Followed,
  call: Call,
  since: string | undefined,
): Promise<ByteStream> {
  const events = generate(source, followed, readPosition(source.registry, call, since), call);
  const first = await events.next();
  return {
    [Symbol.asyncIterator]: () => {
      let isFirst = true;
      return {
        next: () => {
          if (!isFirst) return events.next();
          isFirst = false;
          return Promise.resolve(first);
        },
        return: () => events.return(),
      };
    },
  };
}

async function* generate(
  source: EventSource,
  followed: Followed,
  position: ChangePosition | "now" | undefined,
  call: Call,
): AsyncGenerator<Uint8Array, void, void> {
  const { signal = new AbortController().signal } = call.request;
  const { registry, streams } = source;
  streams.enter();
  try {
    // A look at everything is of one revision only where all changes behind it will be told.
    if (position === undefined || position === "now")
      await registry.applied(registry.changesFrom - 1, signal);
    else await reach(registry, position.revision, signal);
    const start = position === undefined || position === "now" ? { revision: registry.index } : position;
    const entries = position === undefined ? followed.now() : [];
    const cursor = registry.changesAfter(followed.prefix, start);
    try {
      const first = cursor.take();
      yield Buffer.from(`retry: ${reconnectMs}\n\n`);
      if (position === undefined) yield* look(registry, entries, start.revision);
      yield* go(source, followed, cursor, first, call, signal);
    } finally {
      cursor.close();
    }
  } finally {
    streams.leave();
  }
}

function* look(
  registry: RegistryProgress,
  entries: Iterable<object>,
  revision: number,
): Generator<Uint8Array> {
  let text = "";
  for (const entry of entries) {
    text += `event: current\ndata: ${JSON.stringify({ revision, ...entry })}\n\n`;
    if (text.length < partBytes) continue;
    yield Buffer.from(text);
    text = "";
  }
  const id = idOf(registry, revision);
  yield Buffer.from(`${text}event: synced\nid: ${id}\ndata: ${JSON.stringify({ revision })}\n\n`);
}

async function* go(
  { registry, clock, heartbeatMs: everyMs }: EventSource,
  { shape }: Followed,
  cursor: ChangeCursor,
  first: ReturnType<ChangeCursor["take"]>,
  call: Call,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let batch = first;
  try {
    while (!signal.aborted) {
      if (batch) {
        const { revision, changes, seen } = batch;
        const rights = call.rights();
        const events = changes.flatMap(({ action, subject }, at) => {
          if (!seesChange(rights, subject)) return [];
          const isLast = at === changes.length - 1;
          const id = idOf(registry, revision, isLast ? undefined : seen + at + 1);
          return `event: ${action}\nid: ${id}\ndata: ${JSON.stringify({ revision, ...shape(subject) })}\n\n`;
        });
        if (events.length > 0) yield Buffer.from(events.join(""));
      } else if (await isQuiet(cursor, clock, everyMs, signal)) {
        yield Buffer.from(`: heartbeat\nid: ${idOf(registry, cursor.revision)}\n\n`);
      }
      batch = cursor.take();
    }
  } catch (error) {
    if (!isFabricError(error, "REGISTRY_COMPACTED")) throw error;
    const { code, details } = error;
    const message =
      "this reader was too slow, or the server lost sight of the store for too long; start again without an id";
    yield Buffer.from(`event: compacted\ndata: ${JSON.stringify({ code, message, details })}\n\n`);
  }
}

/** True when nothing came in time. */
async function isQuiet(
  cursor: ChangeCursor,
  clock: Clock,
  everyMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const onAbort = () => over.abort();
  const timer = clock.setTimer(everyMs, onAbort);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) over.abort();
  await cursor.wait(over.signal);
  timer.cancel();
  signal.removeEventListener("abort", onAbort);
  return over.signal.aborted && !signal.aborted;
}

function idOf({ storeId }: RegistryProgress, revision: number, seen?: number): string {
  return `${revision}${seen === undefined ? "" : `.${seen}`}@${historyOf(storeId)}`;
}

function historyOf(storeId: string): string {
  return storeId.replaceAll(/[^\w]/g, "").slice(0, 8);
}

/** The header wins: it is what a browser that reconnects sends beside the first `since`. */
function readPosition(
  registry: RegistryProgress,
  { request }: Call,
  since: string | undefined,
): ChangePosition | "now" | undefined {
  const header = request.headers["last-event-id"];
  const text = (typeof header === "string" && header !== "" ? header : since) ?? "";
  if (text === "") return undefined;
  if (text === "now") return "now";
  const [, digits = "", seen, history] = /^(\d{1,15})(?:\.(\d{1,9}))?(?:@(\w+))?$/.exec(text) ?? [];
  if (digits === "") {
    throw new FabricError(
      "API_BAD_REQUEST",
      `follow changes since ${JSON.stringify(text.slice(0, 64))}: give the id of an event, a revision, or "now"`,
    );
  }
  const revision = Number(digits);
  if (history !== undefined && history !== historyOf(registry.storeId))
    throw elsewhere(revision, "another store");
  return { revision, ...(seen !== undefined && { seen: Number(seen) }) };
}

/** Another server may have been ahead of this one, but none is ahead of the store. */
async function reach(registry: RegistryProgress, revision: number, signal: AbortSignal): Promise<void> {
  if (revision <= registry.index) return;
  await registry.barrier(signal);
  if (revision > registry.index) throw elsewhere(revision, "a store that had come further");
}

function elsewhere(since: number, what: string): FabricError {
  return new FabricError(
    "REGISTRY_COMPACTED",
    `follow changes after revision ${since}: it is of ${what}; start again without a revision`,
    { details: { since } },
  );
}

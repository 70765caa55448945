/**
 * Sessions in memory, and which of them still have time. Pure: told changes in order of revision, marks topics
 * through the function handed in. What a session holds is the key/value index's to know.
 */
import { fold } from "../catalog/catalog-state.ts";
import type { SessionEntry } from "../model.ts";
import type { Topic } from "../wait/topic.ts";

export type SessionTopic = Extract<Topic, { kind: "session" | "sessions" | "nodeSessions" | "sessionEnd" }>;

export class SessionState {
  readonly #entries = new Map<string, SessionEntry>();
  /** Node → ids. */
  readonly #byNode = new Map<string, Set<string>>();
  /** Sessions whose TTL key stands → its revision. */
  readonly #timed = new Map<string, number>();
  readonly #mark: (topic: SessionTopic) => void;

  constructor(mark: (topic: SessionTopic) => void) {
    this.#mark = mark;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** That it begins to end is nothing that a reader sees. */
  put(session: SessionEntry): void {
    const isNew = !this.#entries.has(session.id);
    this.#entries.set(session.id, session);
    const node = fold(session.node);
    const ids = this.#byNode.get(node) ?? new Set();
    this.#byNode.set(node, ids.add(session.id));
    if (isNew) this.#moved(session);
    this.#mark({ kind: "sessionEnd", id: session.id });
  }

  delete(id: string): void {
    const session = this.#entries.get(id);
    if (!session) return;
    this.#entries.delete(id);
    const node = fold(session.node);
    const ids = this.#byNode.get(node);
    ids?.delete(id);
    if (ids?.size === 0) this.#byNode.delete(node);
    this.#moved(session);
  }

  startTime(id: string, revision: number): void {
    this.#timed.set(id, revision);
  }

  endTime(id: string): void {
    if (this.#timed.delete(id)) this.#mark({ kind: "sessionEnd", id });
  }

  /** Whether the time of a session with TTL lasts. */
  hasTime(id: string): boolean {
    return this.#timed.has(id);
  }

  timeRevision(id: string): number {
    return this.#timed.get(id) ?? 0;
  }

  get(id: string): SessionEntry | undefined {
    return this.#entries.get(id);
  }

  /** In order of making. */
  list(): SessionEntry[] {
    return [...this.#entries.values()].sort(byAge);
  }

  ofNode(node: string): SessionEntry[] {
    const ids = this.#byNode.get(fold(node)) ?? [];
    return [...ids].flatMap((id) => this.#entries.get(id) ?? []).sort(byAge);
  }

  timedIds(): IterableIterator<string> {
    return this.#timed.keys();
  }

  exists(topic: SessionTopic): boolean {
    switch (topic.kind) {
      case "session":
      case "sessionEnd":
        return this.#entries.has(topic.id);
      case "nodeSessions":
        return this.#byNode.has(fold(topic.node));
      case "sessions":
        return true;
      default:
        return topic satisfies never;
    }
  }

  #moved({ id, node }: SessionEntry): void {
    this.#mark({ kind: "session", id });
    this.#mark({ kind: "sessions" });
    this.#mark({ kind: "nodeSessions", node });
  }
}

export function isSessionTopic(topic: Topic): topic is SessionTopic {
  return ["session", "sessionEnd", "sessions", "nodeSessions"].includes(topic.kind);
}

function byAge(a: SessionEntry, b: SessionEntry): number {
  return a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1);
}

/**
 * Coordinates of nodes in memory. Pure: told changes in order of revision, marks topics through the function
 * handed in. Coordinates of a node that is not in the catalog are held and not shown.
 */
import type { CoordinateEntry } from "../model.ts";
import type { Topic } from "../wait/topic.ts";

export type CoordinateTopic = Extract<Topic, { kind: "coordinates" | "nodeCoordinates" }>;

export class CoordinateState {
  /** Folded node → segment → entry. */
  readonly #entries = new Map<string, Map<string, CoordinateEntry>>();
  readonly #mark: (topic: CoordinateTopic) => void;

  constructor(mark: (topic: CoordinateTopic) => void) {
    this.#mark = mark;
  }

  put(entry: CoordinateEntry): void {
    const node = entry.node.toLowerCase();
    const segments = this.#entries.get(node) ?? new Map();
    this.#entries.set(node, segments.set(entry.segment, entry));
    this.#moved(entry.node);
  }

  delete(nodeName: string, segment: string): void {
    const node = nodeName.toLowerCase();
    const segments = this.#entries.get(node);
    if (!segments?.delete(segment)) return;
    if (segments.size === 0) this.#entries.delete(node);
    this.#moved(nodeName);
  }

  get(node: string, segment: string): CoordinateEntry | undefined {
    return this.#entries.get(node.toLowerCase())?.get(segment);
  }

  /** In order of segment. */
  ofNode(node: string): CoordinateEntry[] {
    const segments = [...(this.#entries.get(node.toLowerCase())?.values() ?? [])];
    return segments.sort((a, b) => (a.segment < b.segment ? -1 : 1));
  }

  *list(): Generator<CoordinateEntry> {
    for (const segments of this.#entries.values()) yield* segments.values();
  }

  exists(topic: CoordinateTopic): boolean {
    return topic.kind === "coordinates" || this.#entries.has(topic.node.toLowerCase());
  }

  #moved(node: string): void {
    this.#mark({ kind: "coordinates" });
    this.#mark({ kind: "nodeCoordinates", node });
  }
}

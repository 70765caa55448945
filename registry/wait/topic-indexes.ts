/**
 * When each topic of the catalog last moved. Topics whose subject is gone are kept as tombstones; a topic
 * without either is as old as the floor: the revision of the first load, or the newest tombstone forgotten.
 */
import { Tombstones } from "../kv/tombstones.ts";

export class TopicIndexes {
  readonly #indexes = new Map<string, number>();
  readonly #gone = new Tombstones();

  get tombstoneCount(): number {
    return this.#gone.size;
  }

  raiseFloor(revision: number): void {
    this.#gone.raiseFloor(revision);
  }

  get(key: string): number {
    return Math.max(this.#indexes.get(key) ?? this.#gone.get(key) ?? 0, this.#gone.floor);
  }

  moved(key: string, revision: number, exists: boolean): void {
    const index = Math.max(revision, this.get(key));
    if (exists) {
      this.#indexes.set(key, index);
      this.#gone.exhume(key);
    } else {
      this.#indexes.delete(key);
      this.#gone.bury(key, index);
    }
  }
}

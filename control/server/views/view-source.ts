/**
 * Where a view's content comes from. The table of sources is open-ended: a view's name is the prefix of its
 * source and the rest, so that a new kind of view is a new row and nothing else.
 *
 * A feed calls its sink with the whole content once before `open` resolves, then with changes, always in order
 * of revision; it may load anew at any time (after a lost history).
 */
export interface ViewSink {
  /** Everything, as key → JSON text. */
  load(revision: number, items: ReadonlyMap<string, string>): void;
  change(revision: number, puts: ReadonlyMap<string, string>, deletes: readonly string[]): void;
}

export interface ViewFeed {
  /** Resolves once the content is that of this revision or a later one. Rejects with the signal's reason. */
  caughtUp(revision: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface ViewSource {
  /** `service/`, or a whole name like `fabric`. */
  readonly prefix: string;
  /** @throws CONTROL_VIEW_UNKNOWN when there can be no view of this name */
  open(rest: string, sink: ViewSink): Promise<ViewFeed>;
}

/**
 * The store's file, and the only place that knows `node:sqlite`. Runs in the disk thread.
 *
 * Always holds: one process at a time (exclusive lock from opening to closing, which the kernel drops when the
 * process dies); `commit` returns after fsync of the write-ahead log (WAL, synchronous=FULL), else throws and nothing of
 * it is in the file; the revision never goes back; file 0600, a directory made for it 0700.
 * Source: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_locking_mode.
 */
import { chmodSync, closeSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FabricError } from "../../errors/index.ts";
import { makeDirectory } from "../../files/index.ts";
import type { Changes, DiskOptions, Durability, ItemRow, LeaseRow, Opened } from "./protocol.ts";
import { applicationId, createSchema, schemaVersion } from "./schema.ts";

export class Database {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #grant: StatementSync;
  readonly #end: StatementSync;
  readonly #setRevision: StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#put = db.prepare(
      `INSERT INTO items (key, value, create_revision, mod_revision, version, lease) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, create_revision = excluded.create_revision,
         mod_revision = excluded.mod_revision, version = excluded.version, lease = excluded.lease`,
    );
    this.#delete = db.prepare("DELETE FROM items WHERE key = ?");
    this.#grant = db.prepare("INSERT INTO leases (id, ttl_ms) VALUES (?, ?)");
    this.#end = db.prepare("DELETE FROM leases WHERE id = ?");
    this.#setRevision = db.prepare("UPDATE store SET revision = ?");
  }

  /** Makes the file if there is none. Throws SQLite's errors, or STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_UNAVAILABLE, FILES_DIRECTORY_FAILED. */
  static open(options: DiskOptions): Database {
    const { path } = options;
    createFile(path);
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      // Before the first access: then the log's index is private memory and the lock is never let go.
      db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      const fresh = assertOurs(db, path);
      if (fresh) createSchema(db, options.newId);
      db.exec("COMMIT; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      db.exec("BEGIN IMMEDIATE; COMMIT");
      limitSize(db, options.fileBytesMax);
      if (!fresh) assertSound(db, path);
      const database = new Database(db);
      assertDurable(database.durability(), path);
      return database;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  durability(): Durability {
    return {
      journalMode: pragma(this.#db, "journal_mode") as string,
      synchronous: pragma(this.#db, "synchronous") as number,
      lockingMode: pragma(this.#db, "locking_mode") as string,
    };
  }

  head(): Opened {
    const { id, revision } = this.#db.prepare("SELECT id, revision FROM store").get() as {
      id: string;
      revision: number;
    };
    const leases = this.#db.prepare("SELECT id, ttl_ms AS ttlMs FROM leases ORDER BY id").all();
    return { id, revision, leases: leases as unknown as LeaseRow[], durability: this.durability() };
  }

  items(): Iterable<ItemRow> {
    const statement = this.#db.prepare(
      `SELECT key, value, create_revision AS createRevision, mod_revision AS modRevision, version, lease
       FROM items ORDER BY key`,
    );
    return statement.iterate() as unknown as Iterable<ItemRow>;
  }

  commit(changes: Changes): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const key of changes.deletes) this.#delete.run(key);
      for (const row of changes.puts) {
        this.#put.run(row.key, row.value, row.createRevision, row.modRevision, row.version, row.lease);
      }
      for (const { id, ttlMs } of changes.leasesGranted) this.#grant.run(id, ttlMs);
      for (const id of changes.leasesEnded) this.#end.run(id);
      this.#setRevision.run(changes.revision);
      this.#db.exec("COMMIT");
    } finally {
      // Still open after a failure; SQLite may have rolled back by itself (sqlite.org/lang_transaction.html).
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    }
  }

  close(): void {
    this.#db.close();
  }
}

/** Never opens a file that is there: closing it again would drop the locks that this process holds on it (fcntl(2)). */
function createFile(path: string): void {
  const directory = dirname(path);
  makeDirectory(directory, 0o700);
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    chmodSync(path, 0o600);
    return;
  }
  const handle = openSync(directory, "r");
  fsyncSync(handle);
  closeSync(handle);
}

/** True when the file is empty. */
function assertOurs(db: DatabaseSync, path: string): boolean {
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version") as number;
  const { count } = db.prepare("SELECT count(*) AS count FROM sqlite_schema").get() as { count: number };
  if (application === 0 && version === 0 && count === 0) return true;
  if (application !== applicationId) {
    throw corrupt(path, "it is an SQLite file of another program", "name another path");
  }
  if (version > schemaVersion) {
    throw new FabricError(
      "STORE_SCHEMA_NEWER",
      `open store ${path}: its schema is version ${version}, this program knows ${schemaVersion}; install the newer version`,
      { details: { path, version, known: schemaVersion } },
    );
  }
  return false;
}

function assertSound(db: DatabaseSync, path: string): void {
  const verdict = pragma(db, "quick_check(1)");
  if (verdict !== "ok") throw corrupt(path, String(verdict), restoreAdvice);
  const { last } = db.prepare("SELECT max(mod_revision) AS last FROM items").get() as { last: number | null };
  const { revision } = db.prepare("SELECT revision FROM store").get() as { revision: number };
  if ((last ?? 0) > revision) throw corrupt(path, "keys are newer than its revision", restoreAdvice);
}

/** A file system without shared locks or a build without WAL would weaken silently. */
function assertDurable(durability: Durability, path: string): void {
  const { journalMode, synchronous, lockingMode } = durability;
  if (journalMode === "wal" && synchronous === 2 && lockingMode === "exclusive") return;
  throw new FabricError(
    "STORE_UNAVAILABLE",
    `open store ${path}: SQLite runs with ${JSON.stringify(durability)} instead of wal, 2, exclusive; use a local file system`,
    { details: { path, ...durability } },
  );
}

function limitSize(db: DatabaseSync, fileBytesMax: number): void {
  db.exec(`PRAGMA max_page_count = ${Math.floor(fileBytesMax / (pragma(db, "page_size") as number))}`);
  // The log shrinks to this after a checkpoint; it has no upper bound while one group is written.
  db.exec("PRAGMA journal_size_limit = 16777216");
}

export const restoreAdvice =
  "stop everything, move it and its -wal file away, and restore a backup or start empty";

function corrupt(path: string, reason: string, advice: string): FabricError {
  return new FabricError("STORE_CORRUPT", `open store ${path}: ${reason}; ${advice}`, {
    details: { path, reason },
  });
}

function pragma(db: DatabaseSync, name: string): unknown {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return row && Object.values(row)[0];
}

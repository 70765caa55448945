/**
 * What stands in the file. A newer program may only add a step here and raise the version; an older one refuses.
 * Keys are TEXT, so that an operator can read the file with the `sqlite3` program.
 */
import type { DatabaseSync } from "node:sqlite";

/** "HDDL": `file` and this program tell a store from other SQLite files by it. */
export const applicationId = 0x4844444c;
export const schemaVersion = 1;

/** Runs inside of a transaction. */
export function createSchema(db: DatabaseSync, id: string): void {
  db.exec(`
    CREATE TABLE store (id TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
    CREATE TABLE items (
      key TEXT PRIMARY KEY,
      value BLOB NOT NULL,
      create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL,
      version INTEGER NOT NULL,
      lease TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leases (id TEXT PRIMARY KEY, ttl_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA application_id = ${applicationId};
    PRAGMA user_version = ${schemaVersion};
  `);
  db.prepare("INSERT INTO store (id, revision) VALUES (?, 1)").run(id);
}

/**
 * The thread that waits for the disk, so that the event loop never does. It opens the file, sends what is in it, then
 * commits one group at a time and answers each after its COMMIT returned.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Database } from "./database.ts";
import { describeFailure, isUndone } from "./disk-failure.ts";
import type { DiskOptions, DiskReply, DiskRequest, ItemRow } from "./protocol.ts";

/** Rows a message while loading: bounds what is copied at once. */
const loadRowsMax = 250;

const options = workerData as DiskOptions;
const port = parentPort;
if (port) serve((reply) => port.postMessage(reply));

function serve(send: (reply: DiskReply) => void): void {
  const fail = (error: unknown, action: string) =>
    send({ kind: "failed", failure: describeFailure(error, action, options.path), undone: isUndone(error) });

  let database: Database;
  try {
    database = Database.open(options);
    load(database, send);
  } catch (error) {
    fail(error, "open store");
    return;
  }
  port?.on("message", (request: DiskRequest) => {
    switch (request.kind) {
      case "commit":
        try {
          database.commit(request.changes);
          send({ kind: "committed" });
        } catch (error) {
          fail(error, "write to store");
        }
        return;
      case "close":
        try {
          database.close();
          send({ kind: "closed" });
        } catch (error) {
          fail(error, "close store");
        }
        port.close();
        return;
      default:
        request satisfies never;
    }
  });
}

function load(database: Database, send: (reply: DiskReply) => void): void {
  let rows: ItemRow[] = [];
  for (const row of database.items()) {
    if (rows.push(row) < loadRowsMax) continue;
    send({ kind: "rows", rows });
    rows = [];
  }
  send({ kind: "rows", rows });
  send({ kind: "opened", opened: database.head() });
}

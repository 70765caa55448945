/**
 * A lease journal inside of any store; an agent uses its own sqlite file. One transaction a commit. The term
 * stands beside `held/`, so that "drop everything else" is one operation.
 */

import type { Operation, Store } from "../../store/index.ts";
import { encodeRecord, readStored, transaction } from "../plan/index.ts";
import type { JournalChange, JournalRecord, LeaseJournal } from "./lease-journal.ts";

/** `prefix` ends in a slash, as in `leases/`, and belongs to the journal alone. */
export function storeLeaseJournal(store: Store, prefix: string): LeaseJournal {
  const heldKey = (kind: string, id: string) => `${prefix}held/${kind}/${id.replace("/", "_")}`;
  const keyOf = (record: JournalRecord): string => {
    switch (record.kind) {
      case "term":
        return `${prefix}term`;
      case "block":
        return heldKey("block", record.claim.cidr);
      case "static":
        return heldKey("static", record.claim.ip);
      case "lease":
        return heldKey("lease", record.lease.ip);
      case "rest":
        return heldKey("rest", record.ip);
      default:
        return record satisfies never;
    }
  };
  const operation = (change: JournalChange): Operation => {
    switch (change.op) {
      case "put":
        return { op: "put", key: keyOf(change.record), value: encodeRecord(change.record) };
      case "drop":
        return { op: "delete", key: heldKey(change.kind, change.id) };
      case "clear":
        return { op: "deletePrefix", prefix: `${prefix}held/` };
      default:
        return change satisfies never;
    }
  };
  return {
    load: async () => (await readStored<JournalRecord>(store, prefix)).map(({ record }) => record),
    commit: async (changes) => void (await store.txn(transaction([], changes.map(operation)))),
  };
}

/**
 * A program to kill: writes to the store as fast as it can from several loops at once and prints each transaction
 * after it was answered, one line `ROUND LOOP COUNT REVISION` by a synchronous write, so that what was printed was
 * acknowledged. Each transaction keeps an invariant over several keys: all parts of a loop hold the same count.
 *
 *   node test/crash/store-writer.ts PATH ROUND
 */
import { writeSync } from "node:fs";
import { SqliteStore } from "../../store/index.ts";

export const loops = 16;
export const parts = 5;

if (import.meta.main) {
  const [path = "", round = "0"] = process.argv.slice(2);
  const store = await SqliteStore.open(path);
  // Enough bytes that transactions span pages of the log.
  const filler = "x".repeat(700);

  const run = async (loop: number): Promise<never> => {
    const { items } = await store.range(`loop/${loop}/`, { limit: 1 });
    let count = Number.parseInt(new TextDecoder().decode(items[0]?.value ?? new Uint8Array()), 10) || 0;
    for (;;) {
      count++;
      const value = new TextEncoder().encode(`${count} ${filler}`);
      const puts = Array.from({ length: parts }, (_, part) => {
        return { op: "put", key: `loop/${loop}/${part}`, value } as const;
      });
      const churn = `churn/${loop}/`;
      const rest = [
        { op: "deletePrefix", prefix: churn },
        { op: "put", key: `${churn}${count}`, value },
      ] as const;
      const answer = await store.txn({ success: [...puts, ...rest] });
      writeSync(1, `${round} ${loop} ${count} ${answer.revision}\n`);
    }
  };
  await Promise.all(Array.from({ length: loops }, (_, loop) => run(loop)));
}

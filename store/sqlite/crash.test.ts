/**
 * `kill -9` at random moments under load. What the child printed was acknowledged; after each kill the file must open,
 * hold at least that, and hold no transaction by half.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { loops, parts } from "../../test/crash/store-writer.ts";
import { SqliteStore } from "./sqlite-store.ts";

const rounds = 20;
const writer = fileURLToPath(new URL("../../test/crash/store-writer.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "heddle-crash-"));
const path = join(directory, "store.db");

afterAll(() => rmSync(directory, { recursive: true }));

interface Acknowledged {
  readonly counts: Map<string, number>;
  revision: number;
  transactions: number;
}

/** Runs the writer until it printed `lines` and a moment longer, kills it and answers what it had printed. */
async function writeAndKill(round: number, lines: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [writer, path, `${round}`], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  let [count, isDoomed] = [0, false];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    printed += chunk;
    count += chunk.split("\n").length - 1;
    if (count < lines || isDoomed) return;
    isDoomed = true;
    setTimeout(() => child.kill("SIGKILL"), Math.random() * 10);
  });
  const [, signal] = await once(child, "close");
  expect(signal).toBe("SIGKILL");
  const acknowledged: Acknowledged = { counts: new Map(), revision: 0, transactions: 0 };
  // The last line may be cut; what is whole was acknowledged.
  for (const line of printed.split("\n").slice(0, -1)) {
    const [, loop = "", count, revision] = line.split(" ");
    acknowledged.counts.set(loop, Number(count));
    acknowledged.revision = Math.max(acknowledged.revision, Number(revision));
    acknowledged.transactions++;
  }
  return acknowledged;
}

describe("a killed store", () => {
  it(`has every acknowledged transaction, whole, after each of ${rounds} kills`, async () => {
    let id: string | undefined;
    for (let round = 0; round < rounds; round++) {
      // Also while many transactions are under way.
      const lines = 1 + Math.floor(Math.random() * 200);
      const acknowledged = await writeAndKill(round, lines);
      expect(acknowledged.transactions).toBeGreaterThanOrEqual(lines);
      const store = await SqliteStore.open(path);
      const { revision, items } = await store.range("");
      const loopItems = Map.groupBy(items, (item) => item.key.split("/").slice(0, 2).join("/"));
      await store.close();

      id ??= store.id;
      expect(store.id).toBe(id);
      expect(revision).toBeGreaterThanOrEqual(acknowledged.revision);
      for (let loop = 0; loop < loops; loop++) {
        const written = loopItems.get(`loop/${loop}`) ?? [];
        const counts = new Set(
          written.map((item) => Number.parseInt(Buffer.from(item.value).toString(), 10)),
        );
        expect([written.length, counts.size], `parts of loop ${loop}`).toEqual(
          written.length === 0 ? [0, 0] : [parts, 1],
        );
        const [count = 0] = counts;
        expect(count, `count of loop ${loop}`).toBeGreaterThanOrEqual(
          acknowledged.counts.get(`${loop}`) ?? 0,
        );
        const churn = loopItems.get(`churn/${loop}`) ?? [];
        expect(churn.map((item) => item.key)).toEqual(count === 0 ? [] : [`churn/${loop}/${count}`]);
        expect(new Set([...written, ...churn].map((item) => item.modRevision)).size).toBeLessThanOrEqual(1);
      }
    }
  });
});

/** `/v1/heddle/kv/…` and history: what Consul's routes for keys do not have, over the same keys. */
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import {
  type HistoryRule,
  historyAgeDefaultMs,
  historyVersionsDefault,
  type KvVersion,
  kvAt,
} from "../../registry/index.ts";
import { blockingRead, marked, type ReadContext } from "../blocking.ts";
import { type ApiResponse, empty } from "../request.ts";
import { json } from "../route.ts";
import { type Operation, operation } from "./operation.ts";
import { duration, readParameters, uint64, whole } from "./parameters.ts";
import { kvOf, kvShape, models } from "./shapes.ts";

const written = z.strictObject({ written: z.boolean(), revision: z.int() }).register(models, {
  id: "Written",
  description: "`revision` is that of the key, or of the store when refused.",
});

const versionShape = z
  .strictObject({
    revision: z.int(),
    action: z.enum(["put", "delete", "expire"]),
    at: z.iso.datetime(),
    value: z.base64().exactOptional(),
    flags: z.string().exactOptional(),
    lockIndex: z.int().exactOptional(),
    session: z.string().exactOptional(),
    ttlMs: z.int().exactOptional(),
  })
  .register(models, { id: "KvVersion", description: "The fields of the key are there where it was put." });

const ruleShape = z
  .strictObject({ prefix: z.string(), versions: z.int(), ageMs: z.number() })
  .register(models, { id: "HistoryRule" });

const atRevision = kvShape.omit({ createRevision: true }).register(models, { id: "KvAtRevision" });

const argument = { description: "The key." };
const refusedWrite = { description: "`cas` did not match; nothing was written.", schema: written };

export function kvOperations(context: ReadContext): readonly Operation[] {
  const answer = (
    call: Parameters<Operation["handle"]>[0],
    done: { succeeded: boolean; revision: number },
  ) => {
    const { succeeded, revision } = done;
    return json(call, { written: succeeded, revision }, {}, succeeded ? 200 : 409);
  };
  return [
    operation({
      id: "getKey",
      needs: "guarded",
      method: "GET",
      path: "/v1/heddle/kv/{key}",
      summary:
        "A key, now or as it was at a revision (then without createRevision, and only where a history rule is).",
      argument,
      query: z.strictObject({ ...readParameters, revision: whole }),
      answers: { 200: { description: "The key.", schema: z.union([kvShape, atRevision]) } },
      handle: async (call, { query }): Promise<ApiResponse> => {
        const { rest: key } = call;
        if (query.revision !== undefined) {
          const found = kvAt(context.reads(call), key, query.revision);
          if (!found) throw noKey(key, `at revision ${query.revision}`);
          const entry = { ...found.record, createIndex: 0, modifyIndex: found.revision };
          const { createRevision: _, ...shape } = kvOf(entry);
          return json(call, shape);
        }
        return blockingRead(
          context,
          call,
          { kind: "kv", key },
          (headers, reads) => {
            const entry = reads.kv(key);
            if (!entry) throw noKey(key, "");
            return json(call, kvOf(entry), headers);
          },
          [],
        );
      },
    }),
    operation({
      id: "putKey",
      needs: "guarded",
      method: "PUT",
      path: "/v1/heddle/kv/{key}",
      summary:
        "Writes a key; with `ttl` it expires so long after it was last written, and the same write renews it. A write without makes it stay.",
      argument,
      query: z.strictObject({ ttl: duration, cas: whole, flags: uint64 }),
      body: "bytes",
      answers: { 200: { description: "It is on disk.", schema: written }, 409: refusedWrite },
      handle: async (call, { query: { ttl, cas, flags } }) => {
        const options = {
          ...(ttl !== undefined && { ttlMs: ttl }),
          ...(cas !== undefined && { cas }),
          ...(flags !== undefined && { flags }),
        };
        const done = await context.writes(call).kvPut(call.rest, call.request.body, options);
        const revision = context.reads(call).kv(call.rest)?.modifyIndex ?? done.revision;
        return answer(call, done.succeeded ? { ...done, revision } : done);
      },
    }),
    operation({
      id: "deleteKey",
      needs: "guarded",
      method: "DELETE",
      path: "/v1/heddle/kv/{key}",
      summary: "Deletes a key; one that is not there counts as deleted.",
      argument,
      query: z.strictObject({ cas: whole }),
      answers: { 200: { description: "It is gone.", schema: written }, 409: refusedWrite },
      handle: async (call, { query: { cas } }) =>
        answer(call, await context.writes(call).kvDelete(call.rest, cas === undefined ? {} : { cas })),
    }),
    operation({
      id: "keyHistory",
      needs: "guarded",
      method: "GET",
      path: "/v1/heddle/history/{key}",
      summary: "What stood under a key, newest first, as far as its history rule keeps it.",
      argument,
      query: z.strictObject(readParameters),
      answers: { 200: { description: "Versions; none without a rule.", schema: z.array(versionShape) } },
      handle: (call) =>
        blockingRead(context, call, { kind: "kv", key: call.rest }, (headers, reads) =>
          json(call, reads.history.versions(call.rest).map(versionOf).toReversed(), headers),
        ),
    }),
    operation({
      id: "listHistoryRules",
      needs: "guarded",
      method: "GET",
      path: "/v1/heddle/history-rules",
      summary: "Prefixes whose keys keep a history.",
      answers: { 200: { description: "Rules by prefix.", schema: z.array(ruleShape) } },
      handle: (call) => {
        const reads = context.reads(call);
        return marked(json(call, reads.history.rules()), reads);
      },
    }),
    operation({
      id: "putHistoryRule",
      needs: "guarded",
      method: "PUT",
      path: "/v1/heddle/history-rules/{prefix}",
      summary:
        "Keys under the prefix keep a history from now on, whoever writes them. The longest prefix counts.",
      argument: { description: "Prefix of keys; empty for all.", mayBeEmpty: true },
      query: z.strictObject({
        versions: whole.describe(`Kept of a key, ${historyVersionsDefault} when not named.`),
        age: duration.describe(
          "For how long a version is kept after the next one took its place, 168h when not named.",
        ),
      }),
      answers: { 200: { description: "The rule.", schema: ruleShape } },
      handle: async (call, { query }) => {
        const { versions = historyVersionsDefault, age: ageMs = historyAgeDefaultMs } = query;
        const rule: HistoryRule = { prefix: call.rest, versions, ageMs };
        await context.writes(call).putHistoryRule(rule);
        return json(call, rule);
      },
    }),
    operation({
      id: "deleteHistoryRule",
      needs: "guarded",
      method: "DELETE",
      path: "/v1/heddle/history-rules/{prefix}",
      summary: "Ends a rule; what was kept goes within a minute.",
      argument: { description: "Prefix of keys; empty for all.", mayBeEmpty: true },
      answers: { 204: { description: "There is no such rule any more." } },
      handle: async (call) => {
        await context.writes(call).deleteHistoryRule(call.rest);
        return empty(204);
      },
    }),
  ];
}

function versionOf(version: KvVersion): z.infer<typeof versionShape> {
  const { revision, action, atMs } = version;
  const at = new Date(atMs).toISOString();
  if (version.action !== "put") return { revision, action, at };
  const {
    key: _,
    createRevision: __,
    modifyRevision: ___,
    ...shape
  } = kvOf({
    ...version.record,
    createIndex: 0,
    modifyIndex: revision,
  });
  return { revision, action, at, ...shape };
}

function noKey(key: string, when: string): FabricError {
  return new FabricError(
    "REGISTRY_KEY_NOT_FOUND",
    `read ${JSON.stringify(key)}: there is no such key ${when}`.trimEnd(),
    { details: { key } },
  );
}

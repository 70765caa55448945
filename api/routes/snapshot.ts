/** `/v1/snapshot`: the state that people wrote, as one archive, at one revision. Consul's routes, Heddle's own archive. */
import { FabricError } from "../../errors/index.ts";
import { type RegistryReads, snapshotRecords } from "../../registry/index.ts";
import { type ReadContext, readHeaders } from "../blocking.ts";
import { assertDatacenter, readMode } from "../read-mode.ts";
import { type ApiResponse, empty } from "../request.ts";
import type { Call, Route } from "../route.ts";
import { packSnapshot, unpackSnapshot } from "../snapshot/archive.ts";

/** It takes and gives everything, so it is handed everything, and asks for the right to. */
export interface SnapshotContext extends Pick<ReadContext, "defaultPolicy" | "writes"> {
  readonly registry: RegistryReads;
  readonly wallMs: () => number;
}

export function snapshotRoute(context: SnapshotContext): Route {
  const { registry, wallMs } = context;
  const save = async (call: Call): Promise<ApiResponse> => {
    const { query, request } = call;
    call.rights().assert("acl", "", "write");
    const mode = readMode(query, registry.datacenter);
    // A saved state holds all that was acknowledged before it was asked for, unless stale will do.
    if (mode !== "stale") await registry.barrier(request.signal);
    const headers = { ...readHeaders(context, registry.index, mode), "Content-Type": "application/x-gzip" };
    if (request.method === "HEAD") return empty(200, headers);
    const { revision, records } = snapshotRecords(registry);
    const at = new Date(wallMs()).toISOString();
    return {
      status: 200,
      headers,
      body: packSnapshot({ datacenter: registry.datacenter, revision, at }, records),
    };
  };

  const restore = async (call: Call): Promise<ApiResponse> => {
    const { query, request } = call;
    call.rights().assert("acl", "", "write");
    assertDatacenter(query, registry.datacenter);
    const { head, records } = await unpackSnapshot(request.upload ?? whole(request.body));
    if (head.version === 2) throw isWhole();
    await context.writes(call).restoreSnapshot(records);
    return empty();
  };

  return { path: "/v1/snapshot", methods: { GET: save, PUT: restore } };
}

function isWhole(): FabricError {
  return new FabricError(
    "REGISTRY_SNAPSHOT_INVALID",
    "restore snapshot: this one is of a whole store, which only an empty store takes: `heddle snapshot restore FILE --store …` while no server runs. Nothing was changed",
  );
}

async function* whole(body: Uint8Array) {
  yield body;
}

/** `/v1/snapshot`: the state that people wrote, as one archive, at one revision. Consul's routes, Heddle's own archive. */
import { type RegistryWrites, snapshotRecords } from "../../registry/index.ts";
import { type ReadContext, readHeaders } from "../blocking.ts";
import { assertDatacenter, readMode } from "../read-mode.ts";
import { type ApiResponse, empty } from "../request.ts";
import type { Call, Route } from "../route.ts";
import { packSnapshot, unpackSnapshot } from "../snapshot/archive.ts";

export interface SnapshotContext extends Pick<ReadContext, "registry"> {
  readonly wallMs: () => number;
}

export function snapshotRoute({ registry, wallMs }: SnapshotContext, writer: RegistryWrites): Route {
  const save = async ({ query, request }: Call): Promise<ApiResponse> => {
    const mode = readMode(query, registry.datacenter);
    // A saved state holds all that was acknowledged before it was asked for, unless stale will do.
    if (mode !== "stale") await registry.barrier(request.signal);
    const headers = { ...readHeaders(registry, registry.index, mode), "Content-Type": "application/x-gzip" };
    if (request.method === "HEAD") return empty(200, headers);
    const { revision, records } = snapshotRecords(registry);
    const at = new Date(wallMs()).toISOString();
    return {
      status: 200,
      headers,
      body: packSnapshot({ datacenter: registry.datacenter, revision, at }, records),
    };
  };

  const restore = async ({ query, request }: Call): Promise<ApiResponse> => {
    assertDatacenter(query, registry.datacenter);
    const { records } = await unpackSnapshot(request.upload ?? whole(request.body));
    await writer.restoreSnapshot(records);
    return empty();
  };

  return { path: "/v1/snapshot", methods: { GET: save, PUT: restore } };
}

async function* whole(body: Uint8Array) {
  yield body;
}

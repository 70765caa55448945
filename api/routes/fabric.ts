/** `/v1/heddle/…`: Heddle's own routes. Errors are JSON `{code, message, details}`. */
import { z } from "zod";
import { FabricError } from "../../errors/index.ts";
import type { FabricBackend, LocalBackend } from "../fabric-backend.ts";
import { type ApiResponse, empty } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";

const poolSchema = z.strictObject({
  cidr: z.string().max(64),
  blockPrefix: z.int().min(0).max(128).exactOptional(),
  gateway: z.string().max(64).exactOptional(),
  exclude: z.array(z.string().max(64)).max(64).exactOptional(),
});

/** What `POST /v1/heddle/networks` takes; the address plan checks what it means. */
export const networkSpecSchema = z.strictObject({
  name: z.string().max(63),
  pools: z.array(poolSchema).min(1).max(8),
  backend: z.enum(["auto", "direct", "vxlan"]).exactOptional(),
  mtu: z.int().exactOptional(),
  masquerade: z.boolean().exactOptional(),
  policy: z.enum(["isolated", "open", "internal"]).exactOptional(),
});

export function fabricRoutes(fabric: FabricBackend): readonly Route[] {
  const createNetwork = async (call: Call) => {
    const spec = networkSpecSchema.safeParse(parseJson(call));
    if (!spec.success) throw invalid(call, z.prettifyError(spec.error));
    return json(call, await fabric.createNetwork(spec.data), {}, 201);
  };
  const deleteNetwork = async (call: Call) => {
    const force = call.query.flag("force", "force must be true or false");
    await fabric.deleteNetwork(argument(call, "name the network: DELETE /v1/heddle/networks/NAME"), {
      force,
    });
    return empty(204);
  };
  const forgetNode = async (call: Call): Promise<ApiResponse> => {
    const force = call.query.flag("force", "force must be true or false");
    await fabric.forgetNode(argument(call, "name the node: DELETE /v1/heddle/nodes/NAME"), { force });
    return empty(204);
  };
  return [
    {
      path: "/v1/heddle/networks",
      methods: { GET: async (call) => json(call, await fabric.networks()), POST: createNetwork },
    },
    { path: "/v1/heddle/networks/*", methods: { DELETE: deleteNetwork } },
    {
      path: "/v1/heddle/ipam",
      methods: {
        GET: async (call) => json(call, await fabric.poolUse(call.query.get("network") || undefined)),
      },
    },
    { path: "/v1/heddle/nodes", methods: { GET: async (call) => json(call, await fabric.nodes()) } },
    { path: "/v1/heddle/nodes/*", methods: { DELETE: forgetNode } },
  ];
}

export function localRoutes(local: LocalBackend): readonly Route[] {
  return [
    { path: "/v1/heddle/status", methods: { GET: async (call) => json(call, await local.status()) } },
    { path: "/v1/heddle/leases", methods: { GET: async (call) => json(call, await local.leases()) } },
    { path: "/v1/heddle/purge-plan", methods: { GET: async (call) => json(call, await local.purgePlan()) } },
  ];
}

function parseJson(call: Call): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(call.request.body));
  } catch (error) {
    throw invalid(call, error instanceof Error ? error.message : "not JSON");
  }
}

function invalid(call: Call, why: string): FabricError {
  return new FabricError("API_BAD_REQUEST", `${call.request.method} ${call.request.target}: ${why}`);
}

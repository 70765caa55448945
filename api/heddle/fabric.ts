/** `/v1/heddle/networks`, `ipam`, `nodes`, and what only the process on this node knows. */
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import type { FabricBackend, LocalBackend } from "../fabric-backend.ts";
import { empty } from "../request.ts";
import { json } from "../route.ts";
import { explainOperation } from "./explain.ts";
import { type Operation, operation } from "./operation.ts";
import { flag } from "./parameters.ts";
import { models, nodeShape } from "./shapes.ts";

const poolSpec = z.strictObject({
  cidr: z.string().max(64),
  blockPrefix: z.int().min(0).max(128).exactOptional(),
  gateway: z.string().max(64).exactOptional(),
  exclude: z.array(z.string().max(64)).max(64).exactOptional(),
});

/** The address plan checks what it means. */
const networkSpec = z
  .strictObject({
    name: z.string().max(63),
    pools: z.array(poolSpec).min(1).max(8),
    backend: z.enum(["auto", "direct", "vxlan"]).exactOptional(),
    mtu: z.int().exactOptional(),
    masquerade: z.boolean().exactOptional(),
    policy: z
      .enum(["isolated", "open", "internal"])
      .exactOptional()
      .describe(
        "With whom its containers talk: each other and the outside; also all open networks; only each other.",
      ),
  })
  .register(models, { id: "NetworkSpec" });

const network = z
  .strictObject({
    ...networkSpec.shape,
    pools: z.array(z.strictObject({ ...poolSpec.shape, blockPrefix: z.int() })),
    backend: z.enum(["auto", "direct", "vxlan"]),
    masquerade: z.boolean(),
    createdAtMs: z.int(),
    deleting: z.literal(true).exactOptional(),
  })
  .register(models, { id: "Network" });

const poolUse = z
  .strictObject({
    network: z.string(),
    pool: z.string(),
    size: z.string().describe("Addresses that can ever be handed out, in decimal."),
    blockPrefix: z.int(),
    blocks: z.string(),
    blocksClaimed: z.int(),
    addressesClaimed: z.string(),
    byNode: z.array(z.strictObject({ node: z.string(), epoch: z.int(), blocks: z.array(z.string()) })),
    statics: z.array(z.strictObject({ ip: z.string(), node: z.string() })),
  })
  .register(models, { id: "PoolUse" });

const lease = z
  .strictObject({
    network: z.string(),
    ip: z.string(),
    pool: z.string(),
    owner: z.strictObject({ containerId: z.string(), ifname: z.string() }),
    epoch: z.int(),
    allocatedAtMs: z.int(),
    isStatic: z.boolean(),
  })
  .register(models, { id: "Lease" });

const processStatus = z
  .strictObject({
    mode: z.enum(["up", "server", "agent"]),
    version: z.string(),
    node: z.string(),
    datacenter: z.string(),
    startedAtMs: z.number(),
    components: z.array(
      z.strictObject({
        name: z.string(),
        state: z.enum(["ok", "starting", "degraded", "failed"]),
        summary: z.string(),
        details: z.record(z.string(), z.unknown()).exactOptional(),
      }),
    ),
  })
  .register(models, { id: "ProcessStatus" });

const forced = z.strictObject({ force: flag });
const done = { description: "Done." };

export function fabricOperations(fabric: FabricBackend): readonly Operation[] {
  return [
    operation({
      id: "listNetworks",
      needs: "operator:read",
      method: "GET",
      path: "/v1/heddle/networks",
      summary: "All networks of the fabric.",
      answers: { 200: { description: "Networks by name.", schema: z.array(network) } },
      handle: async (call) => json(call, await fabric.networks()),
    }),
    operation({
      id: "createNetwork",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/networks",
      summary: "Makes a network.",
      body: networkSpec,
      answers: { 201: { description: "The network.", schema: network } },
      handle: async (call, { body }) => json(call, await fabric.createNetwork(body), {}, 201),
    }),
    operation({
      id: "deleteNetwork",
      needs: "operator:write",
      method: "DELETE",
      path: "/v1/heddle/networks/{name}",
      summary: "Deletes a network that nothing uses; with `force` any.",
      argument: { description: "Name of the network." },
      query: forced,
      answers: { 204: done },
      handle: async ({ rest }, { query }) => {
        await fabric.deleteNetwork(rest, { force: query.force ?? false });
        return empty(204);
      },
    }),
    operation({
      id: "poolUse",
      needs: "operator:read",
      method: "GET",
      path: "/v1/heddle/ipam",
      summary: "How much of the pools is in use.",
      query: z.strictObject({ network: z.string().exactOptional() }),
      answers: { 200: { description: "One entry a pool.", schema: z.array(poolUse) } },
      handle: async (call, { query }) => json(call, await fabric.poolUse(query.network || undefined)),
    }),
    operation({
      id: "listNodes",
      needs: "operator:read",
      method: "GET",
      path: "/v1/heddle/nodes",
      summary: "All nodes that the fabric knows.",
      answers: { 200: { description: "Nodes by name.", schema: z.array(nodeShape) } },
      handle: async (call) => json(call, await fabric.nodes()),
    }),
    operation({
      id: "forgetNode",
      needs: "operator:write",
      method: "DELETE",
      path: "/v1/heddle/nodes/{name}",
      summary: "Ends the term of a node that is gone; with `force` its addresses are free at once.",
      argument: { description: "Name of the node." },
      query: forced,
      answers: { 204: done },
      handle: async ({ rest }, { query }) => {
        await fabric.forgetNode(rest, { force: query.force ?? false });
        return empty(204);
      },
    }),
  ];
}

export function localOperations(local: LocalBackend | undefined): readonly Operation[] {
  return [
    operation({
      id: "status",
      needs: "agent:read",
      method: "GET",
      path: "/v1/heddle/status",
      summary: "What runs in the process that answers, and how it is.",
      answers: { 200: { description: "The process and its parts.", schema: processStatus } },
      handle: async (call) => json(call, await known(local).status()),
    }),
    operation({
      id: "listLeases",
      needs: "agent:read",
      method: "GET",
      path: "/v1/heddle/leases",
      summary: "Addresses that containers of this node hold.",
      answers: { 200: { description: "Leases.", schema: z.array(lease) } },
      handle: async (call) => json(call, await known(local).leases()),
    }),
    operation({
      id: "purgePlan",
      needs: "agent:read",
      method: "GET",
      path: "/v1/heddle/purge-plan",
      summary: "What a purge would take off the kernel of this node.",
      answers: {
        200: { description: "One line a step, in the words of ip(8).", schema: z.array(z.string()) },
      },
      handle: async (call) => json(call, await known(local).purgePlan()),
    }),
    explainOperation(local),
  ];
}

/** @throws API_NO_AGENT in a part of a process that answers for others */
function known(local: LocalBackend | undefined): LocalBackend {
  if (local) return local;
  throw new FabricError("API_NO_AGENT", "this is asked of the process on a node, not of a server behind it");
}

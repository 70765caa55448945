/**
 * `/v1/heddle/tokens` and `revocations`: who may be a node. Whoever can ask this owns the fabric, so only the socket of
 * a server's own host answers it; everywhere else the same routes say so.
 */
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import type { TrustBackend } from "../fabric-backend.ts";
import { empty } from "../request.ts";
import { json } from "../route.ts";
import { packSnapshot } from "../snapshot/archive.ts";
import { type Operation, operation } from "./operation.ts";
import { models } from "./shapes.ts";

const tokenSpec = z
  .strictObject({
    node: z.string().max(255).exactOptional().describe("The only node that it lets in."),
    readmits: z
      .boolean()
      .exactOptional()
      .describe(
        "Lets nodes of the catalog in without the key of their last certificate, unless they were revoked: for a store that is an older copy.",
      ),
    uses: z.int().min(1).exactOptional().describe("Nodes that it lets in. Default 1."),
    ttlMs: z.int().min(1).exactOptional().describe("How long it is good. Default one hour."),
  })
  .register(models, { id: "TokenSpec" });

const token = z
  .strictObject({
    id: z.string(),
    node: z.string().exactOptional(),
    readmits: z.boolean().exactOptional(),
    usesLeft: z.int(),
    createdAtMs: z.int(),
    expiresAtMs: z.int(),
  })
  .register(models, { id: "Token" });

const newToken = z
  .strictObject({ ...token.shape, token: z.string().describe("The secret text; it is shown this once.") })
  .register(models, { id: "NewToken" });

const authority = z
  .strictObject({
    fabric: z.string(),
    step: z.enum(["steady", "distributing", "moving"]),
    authorities: z.array(
      z.strictObject({
        fingerprint: z.string(),
        role: z.enum(["signs", "next", "former"]),
        untilMs: z.int(),
      }),
    ),
    nodes: z.int().describe("Nodes with a certificate that is good now."),
    waitsFor: z.int().describe("Of them, those that are not ready for the next step."),
    stepUntilMs: z.int().exactOptional().describe("Then the next step is taken anyway."),
  })
  .register(models, { id: "Authority" });

const done = { description: "Done." };

export function trustOperations(
  backend: TrustBackend | undefined,
  datacenter: string,
  wallMs: () => number,
): readonly Operation[] {
  return [
    operation({
      id: "createToken",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/tokens",
      summary: "Makes a token that lets nodes in. At a server's socket only.",
      body: tokenSpec,
      answers: { 201: { description: "The token.", schema: newToken } },
      handle: async (call, { body }) => json(call, await known(backend).createToken(body), {}, 201),
    }),
    operation({
      id: "listTokens",
      needs: "operator:write",
      method: "GET",
      path: "/v1/heddle/tokens",
      summary: "Tokens that are still good, without their secrets. At a server's socket only.",
      answers: { 200: { description: "Tokens.", schema: z.array(token) } },
      handle: async (call) => json(call, await known(backend).tokens()),
    }),
    operation({
      id: "removeToken",
      needs: "operator:write",
      method: "DELETE",
      path: "/v1/heddle/tokens/{id}",
      summary: "Takes a token back. At a server's socket only.",
      argument: { description: "Id of the token." },
      answers: { 204: done },
      handle: async ({ rest }) => {
        await known(backend).removeToken(rest);
        return empty(204);
      },
    }),
    operation({
      id: "authority",
      needs: "operator:read",
      method: "GET",
      path: "/v1/heddle/authority",
      summary:
        "The fabric's certificate authority, and how far a rotation of it is. At a server's socket only.",
      answers: { 200: { description: "As it is now.", schema: authority } },
      handle: async (call) => json(call, await known(backend).authorityStatus()),
    }),
    operation({
      id: "rotateAuthority",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/authority/rotation",
      summary: "Begins to replace the authority, step by step; nobody is cut off. At a server's socket only.",
      answers: { 204: done },
      handle: async () => {
        await known(backend).rotateAuthority();
        return empty(204);
      },
    }),
    operation({
      id: "resetAuthority",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/authority/reset",
      summary:
        "Replaces the authority at once; every certificate is refused from then on. Answers a token that lets the known nodes in again, by their keys. At a server's socket only.",
      answers: { 201: { description: "The token.", schema: newToken } },
      handle: async (call) => json(call, await known(backend).resetAuthority(), {}, 201),
    }),
    operation({
      id: "revokeNode",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/revocations",
      summary: "Refuses every certificate that a node has, at once. At a server's socket only.",
      body: z.strictObject({ node: z.string().min(1).max(255) }),
      answers: { 204: done },
      handle: async (_call, { body }) => {
        await known(backend).revokeNode(body.node);
        return empty(204);
      },
    }),
    operation({
      id: "backup",
      needs: "operator:write",
      method: "GET",
      path: "/v1/heddle/backup",
      summary: "All that makes another store the same fabric, secrets included. At a server's socket only.",
      answers: { 200: { description: "The archive.", mediaType: "application/x-gzip" } },
      handle: async () => {
        const { revision, records } = await known(backend).backup();
        const about = {
          datacenter,
          revision,
          at: new Date(wallMs()).toISOString(),
          content: "whole",
        } as const;
        const headers = { "Content-Type": "application/x-gzip" };
        return { status: 200, headers, body: packSnapshot(about, records) };
      },
    }),
  ];
}

/** @throws API_SOCKET_ONLY */
function known(backend: TrustBackend | undefined): TrustBackend {
  if (backend) return backend;
  throw new FabricError(
    "API_SOCKET_ONLY",
    "change who may be a node: only the socket of a server answers that; run the command on a server's host, as root",
  );
}

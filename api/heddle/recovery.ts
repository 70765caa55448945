/** `/v1/heddle/recovery`: an address plan that is gathered from the nodes, after the store was lost. */
import * as z from "zod";
import type { RecoveryBackend } from "../fabric-backend.ts";
import { empty } from "../request.ts";
import { json } from "../route.ts";
import { type Operation, operation } from "./operation.ts";
import { models } from "./shapes.ts";

const recovery = z
  .strictObject({
    phase: z.enum(["none", "gathering", "done"]),
    nodes: z
      .array(
        z.strictObject({
          node: z.string(),
          atMs: z.int(),
          hasLeft: z.boolean().describe("Its right to its addresses has run out; it gave them up."),
          blocks: z.array(z.string()),
          statics: z.array(z.string()),
        }),
      )
      .describe("Nodes that stated what they hold."),
    missing: z.array(z.string()).describe("Nodes that others know of, and that stated nothing."),
    conflicts: z.array(z.strictObject({ about: z.string(), nodes: z.array(z.string()), why: z.string() })),
    networks: z.array(z.string()),
  })
  .register(models, { id: "Recovery" });

const finishSpec = z
  .strictObject({
    gone: z
      .array(z.string().min(1).max(255))
      .max(10_000)
      .exactOptional()
      .describe("Nodes of which no container runs, as you vouch: what they hold becomes free."),
  })
  .register(models, { id: "RecoveryFinish" });

export function recoveryOperations(backend: RecoveryBackend): readonly Operation[] {
  return [
    operation({
      id: "recoveryStatus",
      needs: "operator:read",
      method: "GET",
      path: "/v1/heddle/recovery",
      summary: "What nodes stated to a store that does not know what they hold.",
      answers: { 200: { description: "The recovery.", schema: recovery } },
      handle: async (call) => json(call, await backend.status()),
    }),
    operation({
      id: "finishRecovery",
      needs: "operator:write",
      method: "POST",
      path: "/v1/heddle/recovery",
      summary: "Takes over what nodes stated, and lets nodes in again.",
      body: finishSpec,
      answers: { 200: { description: "What was taken over.", schema: recovery } },
      handle: async (call, { body }) => json(call, await backend.finish(body.gone ?? [])),
    }),
    operation({
      id: "cancelRecovery",
      needs: "operator:write",
      method: "DELETE",
      path: "/v1/heddle/recovery",
      summary: "Lets nodes in without what they stated: they give up what they hold.",
      answers: { 204: { description: "Done." } },
      handle: async () => {
        await backend.cancel();
        return empty(204);
      },
    }),
  ];
}

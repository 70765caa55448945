/** `/v1/heddle/discover`: instances by what they provide (registry/resource/resource-paths.ts). */
import * as z from "zod";
import { isResourcePath, providesMeta } from "../../registry/index.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { json } from "../route.ts";
import { type Operation, operation } from "./operation.ts";
import { flag, readParameters } from "./parameters.ts";
import { instanceOf, instanceShape, models } from "./shapes.ts";

export const needsMax = 16;

const need = z.string().max(255).refine(isResourcePath, 'expected a path as "/cluster/1"');

const provider = z
  .strictObject({ ...instanceShape.shape, provides: z.array(z.string()) })
  .register(models, { id: "Provider" });

export function discoverOperation(context: ReadContext): Operation {
  return operation({
    id: "discover",
    needs: "guarded",
    method: "GET",
    path: "/v1/heddle/discover",
    summary: `Instances that meet every need: each is a path that the instance provides, or lies above one. Instances say what they provide in their metadata, under \`${providesMeta}\`, separated by spaces.`,
    query: z.strictObject({
      need: z.array(need).min(1).max(needsMax).describe("As `/cluster/1`; repeated, all must be met."),
      passing: flag.describe("Only those whose checks all pass."),
      ...readParameters,
    }),
    answers: { 200: { description: "In order of node and id.", schema: z.array(provider) } },
    handle: (call, { query: { need: needs, passing = false } }) => {
      // Any of the needs moves with every answer; the same one is taken each time, so that the index never goes back.
      const [longest = ""] = needs.toSorted((a, b) => b.length - a.length || (a < b ? -1 : 1));
      return blockingRead(context, call, { kind: "resource", path: longest }, (headers, reads) => {
        const found = reads
          .providersOf(needs)
          .map((one) => ({
            ...instanceOf(one),
            provides: (one.service.meta[providesMeta] ?? "").split(/\s+/).filter((path) => path !== ""),
          }))
          .filter(({ status }) => !passing || status === "passing");
        return json(call, found, headers);
      });
    },
  });
}

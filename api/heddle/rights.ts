/**
 * `/v1/heddle/acl/rights`: what the token of the request may do, as rules. Agents follow it, so that they refuse what
 * their servers would refuse, and know at once when it changes.
 */
import * as z from "zod";
import type { ServerAcl } from "../access/access.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { json } from "../route.ts";
import { type Operation, operation } from "./operation.ts";
import { readParameters } from "./parameters.ts";
import { models } from "./shapes.ts";

const rule = z.strictObject({
  resource: z.enum(["agent", "event", "key", "node", "query", "service", "session", "acl", "operator"]),
  match: z.enum(["exact", "prefix"]),
  name: z.string(),
  access: z.enum(["deny", "read", "list", "write"]),
});

export const rightsShape = z
  .strictObject({
    enabled: z.boolean().describe("False: tokens are not looked at, and everybody may do everything."),
    accessor: z.string().describe("Of the token; empty for the anonymous one."),
    defaultAccess: z.enum(["deny", "write"]).describe("Where no rule is written."),
    rules: z.array(rule),
  })
  .register(models, { id: "Rights" });

export type RightsAnswer = z.infer<typeof rightsShape>;

export function rightsOperation(context: ReadContext, acl: ServerAcl | undefined): Operation {
  return operation({
    id: "rights",
    needs: "open",
    method: "GET",
    path: "/v1/heddle/acl/rights",
    summary: "What the token of the request may do.",
    query: z.strictObject(readParameters),
    answers: { 200: { description: "Its rules, of all its policies.", schema: rightsShape } },
    handle: (call) =>
      blockingRead(context, call, { kind: "acl" }, (headers) => {
        const { accessor, defaultAccess, rules } = call.rights().spec;
        const shown: RightsAnswer = {
          enabled: acl !== undefined,
          accessor,
          defaultAccess,
          rules: [...rules],
        };
        return json(call, shown, headers);
      }),
  });
}

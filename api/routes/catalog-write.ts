/**
 * `/v1/catalog/register` and `deregister`: nodes that run no agent, with services and checks that somebody else
 * keeps true. One registration is one transaction. Nodes of the fabric are their agents' alone; what is put
 * beneath one here goes with the agent's next full sync, as in Consul.
 */
import { FabricError } from "../../errors/index.ts";
import type { TxnOperation } from "../../registry/index.ts";
import type { ReadContext } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { readCatalogCheck, readCatalogService, readNode } from "../body/catalog-body.ts";
import { badRequest } from "../query.ts";
import { assertDatacenter, assertDatacenterNamed, refuseUnsupported } from "../read-mode.ts";
import { type Call, json, type Route } from "../route.ts";

export function catalogWriteRoutes(context: ReadContext): readonly Route[] {
  const { registry } = context;
  const bodyOf = ({ query, request }: Call) => {
    refuseUnsupported(query);
    assertDatacenter(query, registry.datacenter);
    const body = BodyFields.parse(request.body);
    assertDatacenterNamed(body.text("datacenter") ?? "", registry.datacenter);
    const node = body.text("node") ?? "";
    if (node === "") throw badRequest("Must provide node");
    return { body, node };
  };

  const run = async (call: Call, operations: readonly TxnOperation[]) => {
    const { errors } = await context.writes(call).txn(operations);
    const [refused] = errors;
    if (refused) throw new FabricError("REGISTRY_INVALID", refused.what);
    return json(call, true);
  };

  const register = (call: Call) => {
    const { body, node } = bodyOf(call);
    const reads = context.reads(call);
    const held = reads.node(node);
    const isFixed = held && (body.boolean("skipnodeupdate") || held.fabric?.epoch !== undefined);
    if (!isFixed && !body.text("address"))
      throw badRequest("Must provide address if SkipNodeUpdate is not set");
    if (held?.fabric && (body.text("address") || held.address) !== held.address)
      throw badRequest(`node ${JSON.stringify(node)} is of the fabric: only its agent changes its address`);
    const operations: TxnOperation[] = [];
    if (!isFixed) operations.push({ kind: "node", verb: "set", index: 0, record: readNode(body, reads) });
    const service = body.object("service");
    if (service)
      operations.push({ kind: "service", verb: "set", index: 0, record: readCatalogService(service, node) });
    const check = body.object("check");
    for (const one of [...(check ? [check] : []), ...body.list("checks")])
      operations.push({
        kind: "check",
        verb: "set",
        index: 0,
        record: readCatalogCheck(one, one.text("node") || node),
      });
    return run(call, operations);
  };

  /** A check, else a service, else the node with all that it has. What is gone already is no error. */
  const deregister = (call: Call) => {
    const { body, node } = bodyOf(call);
    const serviceId = body.text("serviceid") ?? "";
    const checkId = body.text("checkid") ?? "";
    const common = { verb: "delete", index: 0 } as const;
    if (serviceId !== "") {
      const named = BodyFields.of({ ID: serviceId, Service: serviceId }, "");
      return run(call, [{ kind: "service", ...common, record: readCatalogService(named, node) }]);
    }
    if (checkId !== "") {
      const named = BodyFields.of({ CheckID: checkId }, "");
      return run(call, [{ kind: "check", ...common, record: readCatalogCheck(named, node) }]);
    }
    const named = BodyFields.of({ Node: node, Address: "127.0.0.1" }, "");
    return run(call, [{ kind: "node", ...common, record: readNode(named, context.reads(call)) }]);
  };

  return [
    { path: "/v1/catalog/register", methods: { PUT: register } },
    { path: "/v1/catalog/deregister", methods: { PUT: deregister } },
  ];
}

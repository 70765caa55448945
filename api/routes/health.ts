/** `/v1/health/…`: services and nodes with their checks. */
import type { CheckEntry, CheckStatus } from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { blockingList, type ReadContext } from "../blocking.ts";
import { hasTags, matchesMeta, nodeMetaOf } from "../instance-filter.ts";
import { checkJson, instanceJson } from "../json/consul-json.ts";
import { sortedNear } from "../near.ts";
import { argument, type Call, type Route } from "../route.ts";

export function healthRoutes(context: ReadContext): readonly Route[] {
  const instances = (kind: "service" | "connect") => (call: Call) => {
    const name = argument(call, "Missing service name");
    const passing = call.query.flag("passing", "Invalid value for ?passing");
    const meta = nodeMetaOf(call.query);
    const tags = call.query.all("tag");
    return blockingList(context, call, { kind, name }, (reads) => {
      const found = reads[kind](name)
        .filter((one) => hasTags(one.service, tags) && matchesMeta(one.node, meta))
        .filter((one) => !passing || one.checks.every(({ status }) => status === "passing"));
      return sortedNear(context, reads, call, found, (one) => one.node.name).map(instanceJson);
    });
  };

  const checks = (call: Call) => {
    const name = argument(call, "Missing service name");
    return blockingList(context, call, { kind: "serviceChecks", service: name }, (reads) =>
      inOrder(reads, call, reads.checksOfService(name)).map(checkJson),
    );
  };

  const node = (call: Call) => {
    const name = argument(call, "Missing node name");
    const known = context.reads(call).node(name)?.name ?? name;
    return blockingList(context, call, { kind: "nodeChecks", node: known }, (reads) =>
      reads.checksOfNode(known).map(checkJson),
    );
  };

  /** An unknown state is no error, there is just no check in it. */
  const state = (call: Call) => {
    const wanted = argument(call, "Missing check state");
    const known: CheckStatus | "any" | undefined = isState(wanted) ? wanted : undefined;
    return blockingList(context, call, { kind: "checks", state: known ?? "any" }, (reads) =>
      known ? inOrder(reads, call, reads.checksInState(known)).map(checkJson) : [],
    );
  };

  const inOrder = (reads: ContentReads, call: Call, checks: readonly CheckEntry[]) =>
    sortedNear(context, reads, call, ofNodes(reads, checks, call), (check) => check.node);

  return [
    { path: "/v1/health/service/*", methods: { GET: instances("service") } },
    { path: "/v1/health/connect/*", methods: { GET: instances("connect") } },
    { path: "/v1/health/checks/*", methods: { GET: checks } },
    { path: "/v1/health/node/*", methods: { GET: node } },
    { path: "/v1/health/state/*", methods: { GET: state } },
  ];
}

function ofNodes(reads: ContentReads, checks: readonly CheckEntry[], call: Call): readonly CheckEntry[] {
  const meta = nodeMetaOf(call.query);
  if (meta.length === 0) return checks;
  return checks.filter((check) => matchesMeta(reads.node(check.node) ?? { meta: {} }, meta));
}

function isState(text: string): text is CheckStatus | "any" {
  return text === "any" || text === "passing" || text === "warning" || text === "critical";
}

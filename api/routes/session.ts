/** `/v1/session/…`: sessions, which lock keys. Unknown ones are an empty list to readers and 404 only to `renew`. */
import { livenessCheckId, type SessionEntry, type Topic } from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import type { SelfInfo } from "../agent/agent-backend.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { readSession, sessionJson } from "../json/session-json.ts";
import { assertDatacenter, refuseUnsupported } from "../read-mode.ts";
import { type ApiHandler, changed } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function sessionRoutes(context: ReadContext, self: SelfInfo): readonly Route[] {
  const { registry } = context;

  const create = async (call: Call) => {
    assertWrite(call);
    const spec = readSession(bodyOf(call), self.node, [livenessCheckId]);
    return json(call, { ID: await context.writes(call).createSession(spec) });
  };

  const destroy = async (call: Call) => {
    assertWrite(call);
    await context.writes(call).endSession(argument(call, "Missing session"));
    return json(call, true);
  };

  const renew = async (call: Call) => {
    assertWrite(call);
    return json(call, [
      sessionJson(await context.writes(call).renewSession(argument(call, "Missing session"))),
    ]);
  };

  const read = (
    call: Call,
    topic: Topic,
    sessions: (reads: ContentReads) => readonly (SessionEntry | undefined)[],
  ) =>
    blockingRead(context, call, topic, (headers, reads) =>
      json(
        call,
        sessions(reads).flatMap((session) => (session ? [sessionJson(session)] : [])),
        headers,
      ),
    );

  const info = (call: Call) => {
    const id = argument(call, "Missing session");
    return read(call, { kind: "session", id }, (reads) => [reads.session(id)]);
  };

  const ofNode = (call: Call) => {
    const node = argument(call, "Missing node name");
    return read(call, { kind: "nodeSessions", node }, (reads) => reads.sessionsOfNode(node));
  };

  const assertWrite = ({ query }: Call) => {
    refuseUnsupported(query);
    assertDatacenter(query, registry.datacenter);
  };

  return [
    { path: "/v1/session/create", methods: { PUT: create } },
    { path: "/v1/session/destroy/*", methods: { PUT: destroy } },
    { path: "/v1/session/renew/*", methods: { PUT: renew } },
    { path: "/v1/session/info/*", methods: { GET: info } },
    { path: "/v1/session/node/*", methods: { GET: ofNode } },
    {
      path: "/v1/session/list",
      methods: { GET: (call) => read(call, { kind: "sessions" }, (reads) => reads.sessions()) },
    },
  ];
}

/** On an agent: a session that names no node is of the agent's; only the agent knows which that is. */
export function forwardedSessionRoute(forward: ApiHandler, self: SelfInfo): Route {
  const create = ({ request }: Call) => {
    const text = Buffer.from(request.body).toString();
    if (text.trim() === "")
      return forward(changed(request, { body: Buffer.from(JSON.stringify({ Node: self.node })) }));
    if (BodyFields.parse(request.body).text("node")) return forward(request);
    const body = Object.entries(JSON.parse(text) as object).filter(([name]) => name.toLowerCase() !== "node");
    const named = { ...Object.fromEntries(body), Node: self.node };
    return forward(changed(request, { body: Buffer.from(JSON.stringify(named)) }));
  };
  return { path: "/v1/session/create", methods: { PUT: create } };
}

/** The body may be absent. */
function bodyOf({ request }: Call): BodyFields {
  return request.body.length === 0 ? BodyFields.of({}, "") : BodyFields.parse(request.body);
}

/**
 * `/v1/event/…`: user events. They are kept by the servers, not gossiped: every agent lists the same ones, the
 * filters are shown to whoever acts on an event and choose nothing by themselves.
 */
import { type EventEntry, LinearRegex } from "../../registry/index.ts";
import { blockingList, type ReadContext } from "../blocking.ts";
import { badRequest } from "../query.ts";
import { assertDatacenter, refuseUnsupported } from "../read-mode.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function eventRoutes(context: ReadContext): readonly Route[] {
  const { registry } = context;

  const fire = async (call: Call) => {
    const { query, request } = call;
    refuseUnsupported(query);
    assertDatacenter(query, registry.datacenter);
    for (const kind of ["node", "service", "tag"] as const) assertRegex(kind, query.get(kind));
    const event = await context.writes(call).fireEvent({
      name: argument(call, "Missing name"),
      payload: Buffer.from(request.body).toString("base64"),
      nodeFilter: query.get("node"),
      serviceFilter: query.get("service"),
      tagFilter: query.get("tag"),
    });
    return json(call, eventJson(event));
  };

  const list = (call: Call) => {
    const name = call.query.get("name");
    return blockingList(context, call, { kind: "events" }, (reads) =>
      reads
        .events()
        .filter((event) => name === "" || event.name === name)
        .map(eventJson),
    );
  };

  return [
    { path: "/v1/event/fire/*", methods: { PUT: fire } },
    { path: "/v1/event/list", methods: { GET: list } },
  ];
}

/** @throws API_BAD_REQUEST */
function assertRegex(kind: string, text: string): void {
  if (text === "") return;
  try {
    new LinearRegex(text);
  } catch (error) {
    throw badRequest(`Invalid ${kind} filter: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function eventJson(event: EventEntry) {
  return {
    ID: event.id,
    Name: event.name,
    // As Go prints bytes that are not there.
    Payload: event.payload === "" ? null : event.payload,
    NodeFilter: event.nodeFilter,
    ServiceFilter: event.serviceFilter,
    TagFilter: event.tagFilter,
    Version: 1,
    LTime: event.createIndex,
  };
}

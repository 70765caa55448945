/**
 * `/v1/coordinate/…`: where nodes stand in the network, as they or who measures for them have put it. Heddle's own
 * agents do not measure; what is put is served, and sorts by `near`.
 */
import type { Coordinate, CoordinateEntry } from "../../registry/index.ts";
import { coordinateDimensions } from "../../registry/index.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { badRequest, type Query } from "../query.ts";
import { assertDatacenter, readMode, refuseUnsupported } from "../read-mode.ts";
import { empty } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function coordinateRoutes(context: ReadContext): readonly Route[] {
  const { registry } = context;

  /** Of the servers of each datacenter; ours have none. */
  const datacenters = (call: Call) => {
    readMode(call.query, registry.datacenter);
    return json(call, [{ Datacenter: registry.datacenter, AreaID: "wan", Coordinates: [] }]);
  };

  const nodes = (call: Call) =>
    blockingRead(context, call, { kind: "coordinates" }, (headers, reads) =>
      json(call, reads.coordinates().filter(inSegment(call.query)).map(coordinateJson), headers),
    );

  const node = (call: Call) => {
    const name = argument(call, "Missing node name");
    const known = context.reads(call).node(name)?.name ?? name;
    return blockingRead(context, call, { kind: "nodeCoordinates", node: known }, (headers, reads) => {
      const found = reads.node(known) ? reads.coordinatesOfNode(known) : [];
      const shown = found.filter(inSegment(call.query)).map(coordinateJson);
      return json(call, shown, headers, shown.length === 0 ? 404 : 200);
    });
  };

  const update = async (call: Call) => {
    refuseUnsupported(call.query);
    assertDatacenter(call.query, registry.datacenter);
    const body = BodyFields.parse(call.request.body);
    const name = body.text("node") ?? "";
    if (name === "") throw badRequest("Missing node name");
    const segment = body.text("segment") ?? "";
    await context
      .writes(call)
      .putCoordinate({ node: name, segment, coordinate: readCoordinate(body.object("coord")) });
    return empty();
  };

  return [
    { path: "/v1/coordinate/datacenters", methods: { GET: datacenters } },
    { path: "/v1/coordinate/nodes", methods: { GET: nodes } },
    { path: "/v1/coordinate/node/*", methods: { GET: node } },
    { path: "/v1/coordinate/update", methods: { PUT: update } },
  ];
}

function inSegment(query: Query): (entry: CoordinateEntry) => boolean {
  const wanted = query.get("segment");
  return ({ segment }) => !query.has("segment") || segment === wanted;
}

function coordinateJson({ node, segment, coordinate }: CoordinateEntry) {
  const { vector, error, adjustment, height } = coordinate;
  return {
    Node: node,
    Segment: segment,
    Coord: { Vec: vector, Error: error, Adjustment: adjustment, Height: height },
  };
}

/** @throws API_BAD_REQUEST */
function readCoordinate(body: BodyFields | undefined): Coordinate {
  const vector = body?.value("vec");
  if (!body || !isVector(vector))
    throw badRequest(`Invalid coordinate: Coord.Vec must hold ${coordinateDimensions} numbers`);
  return {
    vector,
    error: body.number("error") ?? 0,
    adjustment: body.number("adjustment") ?? 0,
    height: body.number("height") ?? 0,
  };
}

function isVector(value: unknown): value is number[] {
  const isList = Array.isArray(value) && value.length === coordinateDimensions;
  return isList && value.every((one) => typeof one === "number");
}

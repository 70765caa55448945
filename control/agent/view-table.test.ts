import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { controlClientLimits } from "../limits.ts";
import { ViewUpdateSchema } from "../proto/gen/fabric_pb.ts";
import { encodeError } from "../wire-error.ts";
import { ViewTable } from "./view-table.ts";

it.each([
  ["is asked for again when the server's store did not answer", "STORE_UNAVAILABLE", 2],
  ["is not asked for again when there is no such view", "CONTROL_VIEW_UNKNOWN", 1],
] as const)("a refused view %s", async (_what, code, times) => {
  const clock = new ManualClock();
  const limits = controlClientLimits;
  const views = new ViewTable({ clock, limits, cache: undefined, onFailure: () => undefined });
  views.open("fabric");
  await clock.advance(0);
  const asked: string[] = [];
  views.connected("store", (request) => asked.push(request.case));
  const value = encodeError(new FabricError(code, "subscribe to view: no"));
  views.receive(create(ViewUpdateSchema, { view: "fabric", last: true, body: { case: "refused", value } }));
  await clock.advance(limits.viewRetryMs);
  expect(asked).toEqual(Array(times).fill("subscribe"));
});

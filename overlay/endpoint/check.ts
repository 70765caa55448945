/** Compares an endpoint with what its attachment gave it, on both sides, without changing anything. */
import { FabricError } from "../../errors/index.ts";
import type { Kernel, Link } from "../../kernel/index.ts";
import { rowsOf } from "../observed/index.ts";
import { isHostEnd, mainTable, type Row, rowText } from "../row/index.ts";
import { containerRows, hostRows } from "./rows.ts";
import type { EndpointSpec } from "./spec.ts";

/** @throws OVERLAY_ENDPOINT_DRIFT with `details.missing`, a list of what is not there, in ip(8) words */
export async function checkEndpoint(kernel: Kernel, spec: EndpointSpec): Promise<void> {
  const atHost = await lacks(kernel, spec.hostIfname, spec.hostMac, spec.mtu, hostRows(spec), "host");
  if (spec.handover) {
    // What is in the container is the runtime's.
    if (atHost.length > 0) throw drift(spec, atHost);
    return;
  }
  const container = await kernel.inside(spec.netns);
  try {
    const missing = [
      ...atHost,
      ...(await lacks(container, spec.ifname, spec.mac, spec.mtu, containerRows(spec), "container")),
    ];
    if (missing.length > 0) throw drift(spec, missing);
  } finally {
    container.close();
  }
}

async function lacks(
  kernel: Kernel,
  name: string,
  mac: string,
  mtu: number,
  rows: readonly Row[],
  side: "host" | "container",
): Promise<string[]> {
  const link = await kernel.link(name);
  if (!link || (side === "host" && !isHostEnd(link))) return [`${side}: link ${name}`];
  const observed = new Set(Iterator.from(await rowsOn(kernel, link)).map(rowText));
  const wrong = [
    ...(link.up ? [] : [`link ${name} up`]),
    ...(link.mac === mac ? [] : [`link ${name} address ${mac}`]),
    ...(link.mtu === mtu ? [] : [`link ${name} mtu ${mtu}`]),
    ...rows.map(rowText).filter((text) => !observed.has(text)),
  ];
  return wrong.map((text) => `${side}: ${text}`);
}

async function rowsOn(kernel: Kernel, link: Link): Promise<Generator<Row>> {
  const [addresses, neighbours, routes] = await Promise.all([
    kernel.addresses(link.index),
    kernel.neighbours(link.index),
    kernel.routes({ table: mainTable }),
  ]);
  return rowsOf({ links: [link], addresses, neighbours, routes, fdb: [] });
}

function drift(spec: EndpointSpec, missing: readonly string[]): FabricError {
  return new FabricError(
    "OVERLAY_ENDPOINT_DRIFT",
    `check ${spec.ifname} of container ${spec.containerId}: missing ${missing.join("; ")}; attach it again`,
    { details: { missing } },
  );
}

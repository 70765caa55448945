/**
 * How to leave the host as it was: our routes, links (whose neighbours and FDB rows go with them), the gateway
 * address if it was not there before, and the settings in the reverse order of their changes. A setting that
 * somebody else relies on by now, such as ip_forward, goes back to its old value as well.
 */
import type { KernelOperation } from "../kernel/index.ts";
import { gatewayRow, type HostState } from "./host-state.ts";
import type { NodeObserved } from "./observed.ts";
import { isHostEnd, isOurs, vxlanDevice } from "./ownership.ts";
import { rowKey, rowOperation } from "./row.ts";

export function planPurge(
  state: HostState,
  observed: Pick<NodeObserved, "links" | "rows">,
): readonly KernelOperation[] {
  const routes = [...observed.rows.values()].filter((row) => row.kind === "route");
  const links = observed.links.filter(
    (link) => isHostEnd(link) || (link.name === vxlanDevice && isOurs(link)),
  );
  const dropGateway = state.hadGateway === false && observed.rows.has(rowKey(gatewayRow));
  return [
    ...routes.map((row) => rowOperation("delete", row)),
    ...links.map((link): KernelOperation => ({ op: "link.delete", link: link.index })),
    ...(dropGateway ? [rowOperation("delete", gatewayRow)] : []),
    ...state.sysctls.toReversed().map(([path, value]): KernelOperation => {
      return { op: "sysctl.put", path: path.split("/"), value };
    }),
  ];
}

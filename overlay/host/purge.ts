/**
 * How to leave the host as it was: our routes, links (whose neighbours and FDB rows go with them), the gateway
 * address if it was not there before, and the settings in the reverse order of their changes. Forwarding stays on
 * where Docker relies on it by now: an engine that started after us found it on and did not remember that it was not.
 */
import type { KernelOperation } from "../../kernel/index.ts";
import type { NodeObserved } from "../observed/index.ts";
import { isHostEnd, isOurs, rowKey, rowOperation, vxlanDevice } from "../row/index.ts";
import { gatewayRow, type HostState } from "./host-state.ts";
import { forwardingKeys } from "./sysctls.ts";

export function planPurge(
  state: HostState,
  observed: Pick<NodeObserved, "links" | "rows">,
  { keepsForwarding = false }: { readonly keepsForwarding?: boolean } = {},
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
    ...state.sysctls
      .toReversed()
      .filter(([path]) => !(keepsForwarding && forwardingKeys.includes(path)))
      .map(([path, value]): KernelOperation => ({ op: "sysctl.put", path: path.split("/"), value })),
  ];
}

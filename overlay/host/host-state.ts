/**
 * What the host was like before Heddle, kept so that a purge can restore it. It is saved before the change
 * it describes is made, so a crash in between restores a value that is already there.
 */
import type { KernelOperation } from "../../kernel/index.ts";
import type { NodeObserved } from "../observed/index.ts";
import { gateway4, rowKey, scopeLink } from "../row/index.ts";
import { sysctlKey } from "./sysctls.ts";

export interface HostState {
  /** First value seen of each setting that was changed, in the order of the changes; keys joined with "/". */
  readonly sysctls: readonly (readonly [path: string, value: string])[];
  /** True when 169.254.1.1 stood on loopback before the first change; unknown until then. */
  readonly hadGateway?: boolean;
}

/** Survives a restart; owned by the overlay, kept by the agent's journal. */
export interface HostStateJournal {
  load(): Promise<HostState | undefined>;
  save(state: HostState): Promise<void>;
}

/** The IPv4 gateway address on loopback, where the DNS listener of the node is. */
export const gatewayRow = {
  kind: "address",
  link: "lo",
  ip: gateway4,
  prefix: 32,
  scope: scopeLink,
} as const;

/** The state to save before `operations` are applied; the same object when nothing is new. */
export function remember(
  state: HostState,
  operations: readonly KernelOperation[],
  observed: Pick<NodeObserved, "rows" | "sysctls">,
): HostState {
  const known = new Set(state.sysctls.map(([path]) => path));
  const added = operations.flatMap((operation) => {
    const key = operation.op === "sysctl.put" ? sysctlKey(operation.path) : "";
    const value = observed.sysctls.get(key);
    return value === undefined || known.has(key) ? [] : [[key, value] as const];
  });
  const hadGateway = state.hadGateway ?? observed.rows.has(rowKey(gatewayRow));
  if (added.length === 0 && hadGateway === state.hadGateway) return state;
  return { sysctls: [...state.sysctls, ...added], hadGateway };
}

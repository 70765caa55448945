/**
 * What alias checks follow. On this node: the agent's own checks, at once. On another node: that node's checks as a
 * server knows them, by one blocking query a node whatever the number of aliases. While no server can be reached
 * an alias keeps its status: the agent knows nothing newer.
 *
 * A check of the node counts for all its services, as its failure takes all of them out; the worst decides.
 */
import type { ApiHandler } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { AliasSource } from "../../health/index.ts";
import { type AgentState, type CheckStatus, worstStatus } from "../../registry/index.ts";

export interface AliasOptions {
  readonly node: string;
  readonly state: AgentState;
  readonly clock: Clock;
  /** The API, this process's own or a server's. */
  readonly ask: ApiHandler;
}

/** Other nodes that are followed at one time; an alias of a further one is critical. */
export const aliasNodesMax = 64;
const waitText = "60s";
const retryMs = 5000;

interface SeenCheck {
  readonly id: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly output: string;
  /** "" for a check of the node. */
  readonly serviceId: string;
}

interface Seen {
  readonly checks: readonly SeenCheck[];
  readonly serviceIds: readonly string[];
}

interface Follower {
  /** With the check's own id, which does not follow itself. */
  update(seen: Seen): void;
}

interface RemoteNode {
  readonly followers: Set<Follower>;
  readonly stop: AbortController;
  seen: Seen | undefined;
}

export function aliasSource({ node: ownNode, state, clock, ask }: AliasOptions): AliasSource {
  const remotes = new Map<string, RemoteNode>();

  const followRemote = (node: string, follower: Follower): (() => void) => {
    const remote = remotes.get(node) ?? {
      followers: new Set(),
      stop: new AbortController(),
      seen: undefined,
    };
    if (!remotes.has(node)) {
      remotes.set(node, remote);
      void watchNode(node, remote, ask, clock);
    }
    remote.followers.add(follower);
    if (remote.seen) follower.update(remote.seen);
    return () => {
      remote.followers.delete(follower);
      if (remote.followers.size > 0) return;
      remote.stop.abort();
      remotes.delete(node);
    };
  };

  const followLocal = (follower: Follower): (() => void) => {
    const look = () =>
      follower.update({
        checks: state.checks().map(({ record }) => record),
        serviceIds: state.services().map(({ id }) => id),
      });
    look();
    return state.onChange(look);
  };

  return (check, report) => {
    let last: Verdict | undefined;
    const update = (seen: Seen) => {
      const others = { ...seen, checks: seen.checks.filter(({ id }) => id !== check.id) };
      const verdict = judge(others, check.node ?? ownNode, check.service);
      if (verdict.status === last?.status && verdict.output === last.output) return;
      last = verdict;
      report(verdict.status, verdict.output);
    };
    const isLocal = check.node === undefined || check.node.toLowerCase() === ownNode.toLowerCase();
    if (isLocal) return followLocal({ update });
    const node = check.node?.toLowerCase() ?? "";
    if (remotes.size >= aliasNodesMax && !remotes.has(node)) {
      report("critical", `this agent follows ${aliasNodesMax} other nodes already; use fewer`);
      return () => undefined;
    }
    return followRemote(node, { update });
  };
}

interface Verdict {
  readonly status: CheckStatus;
  readonly output: string;
}

/** With Consul's words. */
export function judge({ checks, serviceIds }: Seen, node: string, service: string | undefined): Verdict {
  const counted = checks.filter(({ serviceId }) => serviceId === "" || serviceId === service);
  if (service !== undefined && !serviceIds.includes(service))
    return { status: "critical", output: `Service ${service} could not be found on node ${node}` };
  const status = worstStatus(counted);
  const failing = counted.find((check) => check.status === status && status !== "passing");
  if (failing) return { status, output: `Aliased check "${failing.name}" failing: ${failing.output}` };
  return { status, output: counted.length === 0 ? "No checks found." : "All checks passing." };
}

/** Until nobody follows the node any more; never rejects. */
async function watchNode(node: string, remote: RemoteNode, ask: ApiHandler, clock: Clock): Promise<void> {
  const { signal } = remote.stop;
  const name = encodeURIComponent(node);
  const get = async (target: string) => {
    const answer = await ask({ method: "GET", target, headers: {}, body: new Uint8Array(0), signal });
    if (answer.status !== 200) return undefined;
    return { json: JSON.parse(String(answer.body)) as unknown, index: answer.headers["X-Consul-Index"] };
  };
  let index = "0";
  while (!signal.aborted) {
    try {
      const services = await get(`/v1/catalog/node-services/${name}?index=${index}&wait=${waitText}`);
      const checks = services && (await get(`/v1/health/node/${name}`));
      if (services && checks) {
        index = services.index ?? "0";
        remote.seen = { serviceIds: readServices(services.json), checks: readChecks(checks.json) };
        for (const { update } of remote.followers) update(remote.seen);
        continue;
      }
    } catch {
      // No server can be reached: what was known stays.
    }
    await clock.sleep(retryMs, signal).catch(() => undefined);
  }
}

function readServices(json: unknown): string[] {
  const { Services } = json as { readonly Services: readonly { readonly ID: string }[] };
  return Services.map(({ ID }) => ID);
}

function readChecks(json: unknown): SeenCheck[] {
  const checks = json as readonly Readonly<
    Record<"CheckID" | "Name" | "Output" | "ServiceID" | "Status", string>
  >[];
  return checks.map(({ CheckID, Name, Output, ServiceID, Status }) => ({
    id: CheckID,
    name: Name,
    output: Output,
    serviceId: ServiceID,
    status: Status as CheckStatus,
  }));
}

/** The agent's connection to its servers, as the rest of the agent sees and uses it. */
import type { AgentBackend, ComponentStatus } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import {
  type AgentTrust,
  type AgentTrustEvent,
  authoritiesItem,
  type ControlClient,
  type ControlEvent,
  type RegistrationSource,
  type TrustBrief,
  trustView,
  type ViewHandle,
} from "../../control/index.ts";
import type { AgentState } from "../../registry/index.ts";
import type { Log } from "../process/log.ts";

/** How long a registration may wait to be seen by a server before it is answered anyway. */
const registrationSeenMs = 250;

/** Of `HOST:PORT`, the connected one first; a socket is on this node. */
export function knownServers(
  connected: string,
  all: readonly string[],
  own: string,
): readonly { readonly host: string; readonly port: number }[] {
  return [...new Set([connected, ...all])].flatMap((address) => {
    if (address.startsWith("unix:")) return [{ host: own, port: 0 }];
    const match = /^\[?(.*?)\]?:(\d+)$/.exec(address);
    return match ? [{ host: match[1] ?? "", port: Number(match[2]) }] : [];
  });
}

export function registrationSource(state: AgentState): RegistrationSource {
  return {
    registrations: () => ({ services: state.services(), checks: state.checks().map(({ record }) => record) }),
    onChange: (listener) => state.onChange(listener),
  };
}

/** A client that registers and then asks for the name should find it: the answer waits a moment for the server. */
export function seenByServer(backend: AgentBackend, client: ControlClient, clock: Clock): AgentBackend {
  const seen = async <T>(done: Promise<T>): Promise<T> => {
    const result = await done;
    await Promise.race([client.flushRegistrations().catch(() => undefined), clock.sleep(registrationSeenMs)]);
    return result;
  };
  return {
    ...backend,
    registerService: (definition, options) => seen(backend.registerService(definition, options)),
    deregisterService: (id) => seen(backend.deregisterService(id)),
    registerCheck: (definition, serviceId) => seen(backend.registerCheck(definition, serviceId)),
    deregisterCheck: (id) => seen(backend.deregisterCheck(id)),
    setCheck: (id, status, output) => seen(backend.setCheck(id, status, output)),
  };
}

/** Resolves when a server was reached and told of the fabric, or when it is clear that the node begins without one. */
export async function connectedOnce(
  client: ControlClient,
  fabric: ViewHandle,
  clock: Clock,
  patienceMs: number,
): Promise<void> {
  const told = whenConnected(client)
    .then(() => fabric.whenReady())
    .catch(() => undefined);
  await Promise.race([told, clock.sleep(patienceMs)]);
}

/** At once while a server has welcomed the node, else when the next one does. */
export async function whenConnected(client: Pick<ControlClient, "state" | "onState">): Promise<void> {
  if (client.state.connected) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = client.onState(({ connected }) => connected && resolve());
  await promise;
  stop();
}

export function serverComponent({ state }: ControlClient): ComponentStatus {
  const { connected, address, lastContactMs, welcome, error, views } = state;
  const heard =
    lastContactMs === undefined ? "never heard" : `last heard ${Math.round(lastContactMs)} ms ago`;
  return {
    name: "server",
    state: connected ? "ok" : "degraded",
    summary: connected
      ? `connected to ${welcome?.server} at ${address}`
      : `not connected (${heard}): ${error?.message ?? address}`,
    details: { address, views, revision: welcome?.revision, lastContactMs },
  };
}

export function logControl(log: Log, event: ControlEvent): void {
  switch (event.kind) {
    case "connected":
      log.info(
        { address: event.address, server: event.welcome.server, epoch: event.welcome.epoch },
        "connected",
      );
      break;
    case "disconnected":
    case "refused":
      log.warn({ address: event.address, error: event.error }, event.kind);
      break;
    case "restated":
      log.warn(
        { address: event.address },
        "the servers gather the address plan: stated what this node holds",
      );
      break;
    case "failed":
      log.error({ error: event.error }, event.action);
      break;
    default:
      event satisfies never;
  }
}

/** A node follows the authorities of the fabric while it is connected, and renews in time. */
export function heedAuthorities(trust: Pick<AgentTrust, "heed">, client: ControlClient): void {
  const view = client.subscribe(trustView);
  const heed = () => {
    const brief = view.items.get(authoritiesItem) as TrustBrief | undefined;
    if (view.told && brief) trust.heed(brief);
  };
  view.onChange(heed);
}

export function logTrust(log: Log, event: AgentTrustEvent): void {
  switch (event.kind) {
    case "certified":
      log.info(
        { until: new Date(event.untilMs).toISOString() },
        `the node's certificate was ${event.how === "returned" ? "had by the key of the last" : event.how}`,
      );
      break;
    case "renewal failed":
      log.warn({ error: event.error }, "renew the node's certificate; it is tried again");
      break;
    case "token refused":
      log.warn({ error: event.error }, "the join token does not let the node in; it goes on as it was");
      break;
    default:
      event satisfies never;
  }
}

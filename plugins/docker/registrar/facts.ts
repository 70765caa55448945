/**
 * What a container is, read from the engine's inspection and freed of the engine's words. Nothing of it is
 * trusted: what does not fit its form is left out, since one odd container must not hide the others.
 */
import * as z from "zod";
import { type Ip, isIp, parseIp } from "../../../addr/index.ts";
import { signalNumber } from "./stop-signal.ts";

export type Protocol = "tcp" | "udp";

export interface Port {
  readonly number: number;
  readonly protocol: Protocol;
}

export interface PublishedPort extends Port {
  /** "" when it is published on every address of the node. */
  readonly hostAddress: string;
  readonly hostPort: number;
}

export type Health = "starting" | "healthy" | "unhealthy";

/** A container's place in one of the fabric's networks. */
export interface Attachment {
  /** The fabric's name of the network. */
  readonly network: string;
  readonly addresses: readonly Ip[];
  /** Lower case: the container's name, its aliases, its short id. */
  readonly names: readonly string[];
}

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly paused: boolean;
  /** By the engine's wall clock, as the times of its events. */
  readonly startedMs: number;
  /** In the engine's pid namespace; 0 when it has none. */
  readonly pid: number;
  /** Number of the signal that asks it to stop. */
  readonly stopSignal: number;
  readonly health?: { readonly status: Health; readonly output: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly exposed: readonly Port[];
  readonly published: readonly PublishedPort[];
  readonly onHostNetwork: boolean;
  readonly attachments: readonly Attachment[];
}

export interface FactLimits {
  /** Names of one container in one network. */
  readonly namesMax: number;
  /** Bytes of a health check's output that are kept. */
  readonly outputBytesMax: number;
}

const text = z.string().catch("");
const texts = z.array(z.string()).nullish().catch(null);
const record = z.record(z.string(), z.string()).nullish().catch(null);

const inspectionSchema = z.object({
  Id: z.string().min(1),
  Name: text,
  State: z.object({
    Running: z.boolean(),
    Paused: z.boolean().catch(false),
    Pid: z.number().catch(0),
    StartedAt: text,
    Health: z
      .object({
        Status: z.string(),
        Log: z
          .array(z.object({ Output: text }))
          .nullish()
          .catch(null),
      })
      .nullish()
      .catch(null),
  }),
  Config: z.object({
    Image: text,
    Labels: record,
    Env: texts,
    ExposedPorts: z.record(z.string(), z.unknown()).nullish().catch(null),
    StopSignal: z.string().nullish().catch(null),
  }),
  HostConfig: z.object({ NetworkMode: text }),
  NetworkSettings: z.object({
    Ports: z
      .record(z.string(), z.array(z.object({ HostIp: text, HostPort: text })).nullable())
      .nullish()
      .catch(null),
    Networks: z
      .record(
        z.string(),
        z.object({ IPAddress: text, GlobalIPv6Address: text, Aliases: texts, DNSNames: texts }),
      )
      .nullish()
      .catch(null),
  }),
});

/** Undefined when it does not run, or is not there. @param networkOf the fabric's network that leased the address */
export function readFacts(
  inspection: unknown,
  networkOf: (ip: Ip) => string | undefined,
  limits: FactLimits,
): ContainerFacts | undefined {
  const parsed = inspectionSchema.safeParse(inspection);
  if (!parsed.success || !parsed.data.State.Running) return undefined;
  const { Id: id, Name, State, Config, HostConfig, NetworkSettings } = parsed.data;
  const name = Name.replace(/^\//, "");
  const status = State.Health?.Status;
  const output = State.Health?.Log?.at(-1)?.Output ?? "";
  const attachments = Object.values(NetworkSettings.Networks ?? {}).flatMap((joined): Attachment[] => {
    const addresses = [joined.IPAddress, joined.GlobalIPv6Address].filter(isIp).map(parseIp);
    const network = addresses.map(networkOf).find((found) => found !== undefined);
    const names = new Set(
      [name, ...(joined.Aliases ?? []), ...(joined.DNSNames ?? []), id.slice(0, 12)].map((each) =>
        each.toLowerCase(),
      ),
    );
    return network === undefined
      ? []
      : [{ network, addresses, names: [...names].filter(Boolean).slice(0, limits.namesMax) }];
  });
  return {
    id,
    name,
    image: Config.Image,
    paused: State.Paused,
    startedMs: Date.parse(State.StartedAt) || 0,
    pid: State.Pid,
    stopSignal: signalNumber(Config.StopSignal ?? ""),
    ...(isHealth(status) && { health: { status, output: output.slice(0, limits.outputBytesMax) } }),
    labels: Config.Labels ?? {},
    environment: environmentOf(Config.Env ?? []),
    exposed: Object.keys(Config.ExposedPorts ?? {}).flatMap(portOf),
    published: Object.entries(NetworkSettings.Ports ?? {}).flatMap(([spec, bindings]) =>
      portOf(spec).flatMap((port) => (bindings ?? []).slice(0, 1).flatMap((at) => publishedPort(port, at))),
    ),
    onHostNetwork: HostConfig.NetworkMode === "host",
    attachments,
  };
}

/** `80`, `80/tcp` or `53/udp`; other protocols have no place in a service. */
export function portOf(spec: string): readonly Port[] {
  const [, digits = "", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(spec) ?? [];
  const number = Number(digits);
  return number >= 1 && number <= 65_535 ? [{ number, protocol: protocol as Protocol }] : [];
}

function publishedPort(
  port: Port,
  { HostIp, HostPort }: { readonly HostIp: string; readonly HostPort: string },
): PublishedPort[] {
  const hostAddress = HostIp === "0.0.0.0" || HostIp === "::" ? "" : HostIp;
  return portOf(HostPort).map(({ number }) => ({ ...port, hostAddress, hostPort: number }));
}

function environmentOf(variables: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    variables.flatMap((each) => {
      const at = each.indexOf("=");
      return at > 0 ? [[each.slice(0, at), each.slice(at + 1)]] : [];
    }),
  );
}

function isHealth(status: string | undefined): status is Health {
  return status === "starting" || status === "healthy" || status === "unhealthy";
}

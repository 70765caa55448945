/**
 * What a workload asks its node's agent to register: typed, with milliseconds, before defaults. The forms of
 * Consul's JSON are read in `api`; what a check does is run in `health`, which takes these shapes.
 */
import type { CheckStatus, NamedPort, TaggedAddress, Weights } from "../model.ts";

/** Asks a port, over TLS or not. */
interface TlsProbe {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
  readonly tlsSkipVerify?: boolean;
  readonly tlsServerName?: string;
  readonly intervalMs: number;
  readonly timeoutMs?: number;
}

export type CheckProbe =
  | {
      readonly kind: "http";
      readonly url: string;
      readonly method?: string;
      readonly headers?: Readonly<Record<string, readonly string[]>>;
      readonly body?: string;
      readonly tlsSkipVerify?: boolean;
      readonly tlsServerName?: string;
      readonly disableRedirects?: boolean;
      readonly intervalMs: number;
      readonly timeoutMs?: number;
    }
  | (TlsProbe & { readonly kind: "tcp" | "h2ping" })
  | (TlsProbe & { readonly kind: "grpc"; readonly service: string })
  | {
      readonly kind: "udp";
      readonly host: string;
      readonly port: number;
      readonly intervalMs: number;
      readonly timeoutMs?: number;
    }
  | {
      readonly kind: "script";
      readonly args: readonly string[];
      readonly intervalMs: number;
      readonly timeoutMs?: number;
    }
  /** A program in a container of this node. */
  | {
      readonly kind: "exec";
      readonly container: string;
      readonly args: readonly string[];
      readonly intervalMs: number;
      readonly timeoutMs?: number;
    }
  /** Follows the checks of a node (absent: this one), and of an instance on it. */
  | { readonly kind: "alias"; readonly node?: string; readonly service?: string }
  | { readonly kind: "ttl"; readonly ttlMs: number }
  /** Nothing runs here: follows the HEALTHCHECK of a container. */
  | { readonly kind: "docker" }
  /** Nothing runs: set by hand. */
  | { readonly kind: "none" };

export interface CheckDefinition {
  readonly id?: string;
  readonly name?: string;
  readonly notes?: string;
  /** Status before the first result. Default `critical`. */
  readonly status?: CheckStatus;
  readonly output?: string;
  readonly probe: CheckProbe;
  readonly successBeforePassing?: number;
  readonly failuresBeforeWarning?: number;
  readonly failuresBeforeCritical?: number;
  readonly deregisterCriticalServiceAfterMs?: number;
}

export interface ServiceDefinition {
  /** Default: the name. */
  readonly id?: string;
  readonly name: string;
  readonly kind?: string;
  readonly tags?: readonly string[];
  readonly address?: string;
  readonly port?: number;
  /** Several; `port` is then absent, or repeats the default (plan-ports.ts). */
  readonly ports?: readonly NamedPort[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly weights?: Weights;
  readonly enableTagOverride?: boolean;
  readonly taggedAddresses?: Readonly<Record<string, TaggedAddress>>;
  readonly proxy?: Readonly<Record<string, unknown>>;
  readonly connectNative?: true;
  readonly checks?: readonly CheckDefinition[];
}

/** Bounds of what one agent registers. Meta bounds are Consul's. */
export interface AgentLimits {
  readonly servicesMax: number;
  readonly checksMax: number;
  readonly checksPerServiceMax: number;
  readonly nameBytesMax: number;
  readonly idBytesMax: number;
  readonly portsMax: number;
  readonly tagsMax: number;
  readonly tagBytesMax: number;
  readonly metaPairsMax: number;
  readonly metaKeyBytesMax: number;
  readonly metaValueBytesMax: number;
  /** Of a check's notes and output; the output is cut, longer notes are refused. */
  readonly textBytesMax: number;
  /** Of a service's `Proxy` as JSON. */
  readonly proxyBytesMax: number;
}

export const defaultAgentLimits: AgentLimits = {
  servicesMax: 4096,
  checksMax: 4096,
  checksPerServiceMax: 32,
  nameBytesMax: 255,
  idBytesMax: 512,
  portsMax: 64,
  tagsMax: 256,
  tagBytesMax: 512,
  metaPairsMax: 64,
  metaKeyBytesMax: 128,
  metaValueBytesMax: 512,
  textBytesMax: 4096,
  proxyBytesMax: 16 * 1024,
};

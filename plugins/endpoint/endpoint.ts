/**
 * An endpoint: what one container interface asked for and got. Plain JSON, as it stands in the journal.
 *
 * Always holds: there is an entry no later than there is a lease or a kernel row (phase `attaching`), and there
 * is none only when both are gone. So after a crash whatever is half made is known by name: a repeated attach
 * completes it, a detach removes it. `detaching` is not written down: after a crash such an entry is `attached`
 * again if it has its leases still, else it is known by their absence.
 */
import type { Cidr, Ip, Mac } from "../../addr/index.ts";
import type { AttachedEndpoint } from "../../overlay/index.ts";

/** Which interface: unique on a node. */
export interface EndpointRef {
  readonly containerId: string;
  readonly ifname: string;
}

/** On whose behalf: garbage collection of one never touches endpoints of another. */
export interface EndpointOrigin {
  readonly plugin: "cni" | "docker";
  /** CNI: the network name of the configuration. */
  readonly name: string;
}

export type EndpointForm =
  | {
      /** A veth pair into the namespace. */
      readonly kind: "interface";
      readonly netns: string;
      readonly mac?: Mac;
      /** Default: what fits the network's worst path. */
      readonly mtu?: number;
    }
  | {
      /**
       * A veth pair whose peer the runtime moves into its sandbox. The addresses, all of them named, are leased
       * already, and stay so when the endpoint goes: who leased them releases them.
       */
      readonly kind: "handover";
      /** Of the sandbox; need not be visible here. */
      readonly netns: string;
      readonly mac?: Mac;
      readonly mtu?: number;
      /** One a family. */
      readonly gateways: readonly Ip[];
    }
  /** Addresses only; somebody else makes the interface. */
  | { readonly kind: "addresses" };

export interface AttachRequest extends EndpointRef {
  readonly network: string;
  readonly origin: EndpointOrigin;
  readonly form: EndpointForm;
  /** Wanted by name, at most one a family; the others are chosen. */
  readonly addresses: readonly Ip[];
}

export interface EndpointAddress {
  readonly ip: Ip;
  readonly pool: Cidr;
}

interface Entry {
  readonly request: AttachRequest;
  /** Wall clock, for people only. */
  readonly createdAtMs: number;
}

export type Endpoint =
  | (Entry & { readonly phase: "attaching" })
  | (Entry & {
      readonly phase: "attached";
      readonly addresses: readonly EndpointAddress[];
      readonly link?: AttachedEndpoint;
    })
  | (Entry & { readonly phase: "detaching"; readonly addresses: readonly EndpointAddress[] });

export type ReadyEndpoint = Extract<Endpoint, { phase: "attached" }>;

/** True when a repeated attach asks for the same thing. */
export function isSameRequest(a: AttachRequest, b: AttachRequest): boolean {
  return canonical(a) === canonical(b);
}

function canonical({ containerId, ifname, network, origin, form, addresses }: AttachRequest): string {
  const shape =
    form.kind === "addresses" ? [form.kind] : [form.kind, form.netns, form.mac ?? "", form.mtu ?? 0];
  return JSON.stringify([
    containerId,
    ifname,
    network,
    origin.plugin,
    origin.name,
    shape,
    addresses.toSorted(),
  ]);
}

/** For messages: `3f2a90c1d2e4/eth0`. */
export function showEndpoint({ containerId, ifname }: EndpointRef): string {
  return `${containerId.slice(0, 12)}/${ifname}`;
}

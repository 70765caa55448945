/** What the routes under `/v1/heddle/` need. The daemon plugs in the address plan, the leases and its own state. */
import type { ExplainQuestion, Explanation } from "../dns/index.ts";
import type { AddressLease, NetworkRecord, NetworkSpec, PoolUse } from "../ipam/index.ts";
import type { SnapshotRecord } from "../registry/index.ts";

/** On servers: the address plan and the nodes of the fabric. */
export interface FabricBackend {
  networks(): Promise<readonly NetworkRecord[]>;
  /** @throws IPAM_NETWORK_INVALID, IPAM_NETWORK_EXISTS */
  createNetwork(spec: NetworkSpec): Promise<NetworkRecord>;
  /** @throws IPAM_NETWORK_NOT_FOUND, IPAM_NETWORK_IN_USE */
  deleteNetwork(name: string, options: { readonly force: boolean }): Promise<void>;
  /** Of one network, or of all. @throws IPAM_NETWORK_NOT_FOUND */
  poolUse(network: string | undefined): Promise<readonly PoolUse[]>;
  nodes(): Promise<readonly FabricNode[]>;
  /** @throws IPAM_NODE_NOT_FOUND */
  forgetNode(name: string, options: { readonly force: boolean }): Promise<void>;
}

export interface FabricNode {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly alive: boolean;
  readonly zone?: string;
  readonly underlay: readonly string[];
  readonly epoch?: number;
  readonly meta: Readonly<Record<string, string>>;
}

/** On servers: by whom certificates of the fabric are signed. */
export interface AuthorityBackend {
  /** @throws STORE_UNAVAILABLE */
  authorities(): Promise<{
    readonly fabric: string;
    /** PEM; one of them signs now. */
    readonly authorities: readonly { readonly certificate: string; readonly signs: boolean }[];
  }>;
}

/** On servers, for their own host: who may be a node. */
export interface TrustBackend {
  /** The text is shown once. @throws CONTROL_TOKEN_INVALID, CONTROL_LIMIT */
  createToken(spec: {
    readonly node?: string;
    readonly readmits?: boolean;
    readonly uses?: number;
    readonly ttlMs?: number;
  }): Promise<NewJoinToken>;
  tokens(): Promise<readonly JoinTokenInfo[]>;
  /** @throws CONTROL_TOKEN_NOT_FOUND */
  removeToken(id: string): Promise<void>;
  revokeNode(node: string): Promise<void>;
  /** Everything that makes another store the same fabric, its secrets included. */
  backup(): Promise<{ readonly revision: number; readonly records: Iterable<SnapshotRecord> }>;
  /** @throws CONTROL_AUTHORITY_LOST */
  authorityStatus(): Promise<AuthorityStatus>;
  /** Begins to replace the authority, without cutting anybody off. @throws CONTROL_ROTATION_UNDER_WAY, CONTROL_AUTHORITY_LOST */
  rotateAuthority(): Promise<void>;
  /** Replaces it at once, whatever became of it: no certificate of before is good. Answers what lets the known nodes in again. */
  resetAuthority(): Promise<NewJoinToken>;
}

export interface AuthorityStatus {
  readonly fabric: string;
  readonly step: "steady" | "distributing" | "moving";
  readonly authorities: readonly {
    /** SHA-256 of its key, base64url, as in join tokens. */
    readonly fingerprint: string;
    readonly role: "signs" | "next" | "former";
    readonly untilMs: number;
  }[];
  /** With a certificate that is good now. */
  readonly nodes: number;
  /** Of them, those that are not ready for the next step. */
  readonly waitsFor: number;
  /** Then the next step is taken anyway. */
  readonly stepUntilMs?: number;
}

/** On servers: an address plan that is gathered from the nodes. */
export interface RecoveryBackend {
  status(): Promise<RecoveryReport>;
  /** @throws IPAM_RECOVERY_STATE, IPAM_RECOVERY_CONFLICT */
  finish(gone: readonly string[]): Promise<RecoveryReport>;
  /** @throws IPAM_RECOVERY_STATE */
  cancel(): Promise<void>;
}

export interface RecoveryReport {
  readonly phase: "none" | "gathering" | "done";
  readonly nodes: readonly {
    readonly node: string;
    readonly atMs: number;
    readonly hasLeft: boolean;
    readonly blocks: readonly string[];
    readonly statics: readonly string[];
  }[];
  readonly missing: readonly string[];
  readonly conflicts: readonly {
    readonly about: string;
    readonly nodes: readonly string[];
    readonly why: string;
  }[];
  readonly networks: readonly string[];
}

export interface JoinTokenInfo {
  readonly id: string;
  readonly node?: string;
  /** Nodes of the catalog come in by it without the key of their last certificate. */
  readonly readmits?: boolean;
  readonly usesLeft: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface NewJoinToken extends JoinTokenInfo {
  readonly token: string;
}

/** On every process: what runs here. */
export interface LocalBackend {
  status(): Promise<ProcessStatus>;
  /** Addresses that containers of this node hold; empty on a process without agent. */
  leases(): Promise<readonly AddressLease[]>;
  /** What a purge would take off the kernel now, one line a step in the words of ip(8). */
  purgePlan(): Promise<readonly string[]>;
  /** Why this node's DNS answers a question as it does; absent on a process without DNS. @throws DNS_INVALID_NAME */
  explain?(question: ExplainQuestion): Promise<Explanation>;
}

export interface ProcessStatus {
  readonly mode: "up" | "server" | "agent";
  readonly version: string;
  readonly node: string;
  readonly datacenter: string;
  readonly startedAtMs: number;
  readonly components: readonly ComponentStatus[];
}

export interface ComponentStatus {
  /** `store`, `registry`, `control`, `dns`, `health`, `overlay`, `ipam`, `cni`, … */
  readonly name: string;
  readonly state: "ok" | "starting" | "degraded" | "failed";
  /** One sentence for people. */
  readonly summary: string;
  /** Counters and facts. JSON-safe. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What the agent's client is made of and what it tells. */
import type { Clock } from "../../clock/index.ts";
import type { FabricError } from "../../errors/index.ts";
import type { EmptyBlocksRequest } from "../../ipam/index.ts";
import type { AgentIdentity } from "../agent-identity.ts";
import type { ControlClientLimits } from "../limits.ts";
import type { AgentTrust } from "../trust/index.ts";
import type { OpenChannel } from "./channel.ts";
import type { RegistrationSource } from "./registration-sync.ts";
import type { ViewCache } from "./view-cache.ts";

export interface JoinedTerm {
  readonly epoch: number;
  readonly reclaimAfterMs: number;
  /** Monotonic time at which the hello or the heartbeat that it answers was sent. */
  readonly sentAtMs: number;
}

export interface ServerWelcome extends JoinedTerm {
  readonly server: string;
  readonly version: string;
  readonly datacenter: string;
  readonly storeId: string;
  readonly revision: number;
  /** The term that the hello named goes on in this store: what the node holds is its own as before. */
  readonly takenOver: boolean;
}

export type ControlEvent =
  | { readonly kind: "connected"; readonly address: string; readonly welcome: ServerWelcome }
  | { readonly kind: "disconnected"; readonly address: string; readonly error: FabricError }
  | { readonly kind: "restated"; readonly address: string }
  | { readonly kind: "refused"; readonly address: string; readonly error: FabricError }
  | { readonly kind: "failed"; readonly action: string; readonly error: unknown };

export interface ControlState {
  readonly connected: boolean;
  /** Address of the server that is connected or tried. */
  readonly address: string;
  /** Monotonic time of the last change between connected and not. */
  readonly sinceMs: number;
  /** Since a server was last heard; undefined if never. */
  readonly lastContactMs: number | undefined;
  /** What the connected server tells may be so old, as it has lost its store; undefined: it has not. */
  readonly storeSilentMs: number | undefined;
  readonly welcome: ServerWelcome | undefined;
  /** Why there is no connection. */
  readonly error: FabricError | undefined;
  readonly views: number;
}

export interface ControlClientOptions {
  /** `HOST:PORT` or `unix:PATH`, in order of preference; at least one. */
  readonly servers: readonly string[];
  readonly node: AgentIdentity;
  /** Credentials for servers on TCP; absent: plain text. */
  readonly trust?: Pick<AgentTrust, "credentials">;
  /** The way to a server. Default: gRPC. */
  readonly channels?: OpenChannel;
  readonly clock: Clock;
  readonly random?: () => number;
  /** The term of the agent's journal, to go on with. */
  readonly heldTerm?: () => { readonly storeId: string; readonly epoch: number } | undefined;
  /** What the node holds, as ipam's statement, for servers that gather the address plan. */
  readonly statement?: () => string | undefined;
  readonly onJoined?: (welcome: ServerWelcome) => Promise<void>;
  readonly onRenewed?: (term: JoinedTerm) => void;
  readonly onEmptyBlocksWanted?: (request: EmptyBlocksRequest) => void;
  readonly registrations?: RegistrationSource;
  readonly cache?: ViewCache;
  readonly limits?: Partial<ControlClientLimits>;
  readonly log?: (event: ControlEvent) => void;
}

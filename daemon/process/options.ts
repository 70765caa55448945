/** What the processes are told, parsed: the command line makes these, tests too. */
import type { DialectOptions, ForwardOptions, NameServer, TlsOptions } from "../../dns/index.ts";
import type { EngineAccess } from "../../store/index.ts";
import type { HostPort } from "./host-port.ts";
import type { Log } from "./log.ts";

export interface HttpsOptions {
  readonly listen: HostPort;
  /** The operator's own, both or none; absent: of the fabric's authority. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Clients must show a certificate of one of these. */
  readonly clientCaFile?: string;
}

export interface ProcessOptions {
  /** Sockets and pid files. */
  readonly runDir: string;
  /** Store and journal. */
  readonly dataDir: string;
  readonly datacenter: string;
  readonly http: HostPort;
  /** Absent: HTTP is plain text only. */
  readonly https?: HttpsOptions;
  /** Names that HTTP goes by, beside addresses, localhost, the host's and the node's; `any`: whatever it is called. */
  readonly httpHosts?: readonly string[];
  /** HTTP and gRPC may listen beyond loopback in plain text, and gRPC does so on any TCP address. */
  readonly insecure: boolean;
  readonly log: Log;
}

export interface ServerOptions extends ProcessOptions {
  /** What a token may where no rule is written; absent: tokens are not looked at. */
  readonly acl?: "allow" | "deny";
  /** Domain of Mesos-DNS's names; its HTTP interface is served where it is given. */
  readonly mesosDomain?: string;
  /** `memory`, `sqlite:PATH`, `etcd:URL[,URL]` or `consul:URL[,URL]`. */
  readonly store: string;
  /** How a store outside of this process is reached. */
  readonly storeAccess?: EngineAccess;
  /** Where agents of other hosts connect; agents of this host use the socket in `runDir`. */
  readonly grpc?: HostPort;
}

/** Which instances and names DNS answers with, beyond Consul's. */
export interface AnswerOptions {
  /** 0 to 1; 0 = never. */
  readonly panicThreshold: number;
  /** Instances in one answer; 0 = all. */
  readonly subsetMax: number;
  readonly flapDamping: boolean;
  readonly dialects: DialectOptions;
}

export interface AgentOptions extends ProcessOptions {
  /** Secret of the agent's own token: for DNS, and for requests that come without one. */
  readonly aclToken?: string;
  /** `HOST:PORT` or `unix:PATH`, in order of preference. */
  readonly servers: readonly string[];
  /** Lets the node in at the first time: of `heddle token create`. */
  readonly joinToken?: string;
  readonly node?: string;
  readonly advertise?: string;
  readonly zone: string;
  readonly dns: HostPort;
  /** Resolvers for other names; absent: those of /etc/resolv.conf. */
  readonly upstream?: readonly NameServer[];
  /** Resolvers for the names of single zones. */
  readonly forwardZones: NonNullable<ForwardOptions["zones"]>;
  /** Absent: no DNS over TLS. */
  readonly dnsTls?: TlsOptions;
  readonly answers: AnswerOptions;
  readonly vxlanPort: number;
  readonly enableScripts: boolean;
  /** Socket of the Docker Engine whose containers are followed; absent: none is. */
  readonly docker?: string;
  /** Where engines look for `heddle.sock`; absent: /run/docker/plugins on a host with an engine. */
  readonly dockerPluginDir?: string;
  /** How long something is missing at the engine before it is taken away. */
  readonly dockerGraceMs: number;
}

export const controlSocket = "control.sock";
export const cniSocket = "cni.sock";
/** Named by `heddle docker install`. */
export const dockerSocket = "docker.sock";
/** The API for local tools: of the agent, and of a server without agent. */
export const apiSockets = { agent: "api.sock", server: "server.sock" } as const;

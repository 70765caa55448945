/** What commander hands over, by command family. */
import { readFileSync } from "node:fs";
import type { LogLevel } from "../daemon/index.ts";
import type { DialectOptions } from "../dns/index.ts";
import { FabricError } from "../errors/index.ts";
import { parseGoDuration } from "../registry/index.ts";
import type { EngineAccess } from "../store/index.ts";

export interface RemoteOptions {
  readonly runDir: string;
  readonly http?: string;
  readonly caFile?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly tlsServerName?: string;
  readonly json?: boolean;
}

export interface ProcessFlags {
  readonly runDir: string;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly datacenter: string;
  readonly json?: boolean;
}

export interface ListeningFlags extends ProcessFlags {
  readonly http: string;
  readonly httpHost?: readonly string[];
  readonly https?: string;
  readonly httpsCert?: string;
  readonly httpsKey?: string;
  readonly httpsClientCa?: string;
  readonly insecure?: boolean;
}

export interface ServerFlags extends ListeningFlags {
  readonly acl?: string;
  readonly store?: string;
  readonly storePrefix: string;
  readonly storeCa?: string;
  readonly storeCert?: string;
  readonly storeKey?: string;
  readonly storeUser?: string;
  readonly storeSecret?: string;
  readonly dialect?: readonly string[];
  readonly grpc: string;
}

/** Of commands that open the store themselves. */
export type StoreFlags = Pick<
  ServerFlags,
  "dataDir" | "store" | "storePrefix" | "storeCa" | "storeCert" | "storeKey" | "storeUser" | "storeSecret"
>;

/** How the flags say that the store is reached. */
export function storeAccess(flags: Omit<StoreFlags, "dataDir" | "store">): EngineAccess {
  const { storePrefix, storeCa, storeCert, storeKey, storeUser, storeSecret } = flags;
  return {
    prefix: storePrefix,
    ...(storeCa !== undefined && { caFile: storeCa }),
    ...(storeCert !== undefined && { certFile: storeCert }),
    ...(storeKey !== undefined && { keyFile: storeKey }),
    ...(storeUser !== undefined && { user: storeUser }),
    ...(storeSecret !== undefined && { secretFile: storeSecret }),
  };
}

export interface AgentFlags extends ListeningFlags {
  readonly aclTokenFile?: string;
  readonly joinToken?: string;
  readonly node?: string;
  readonly advertise?: string;
  readonly zone: string;
  readonly dns: string;
  readonly upstream?: readonly string[];
  readonly forward?: readonly string[];
  readonly dnsTlsCert?: string;
  readonly dnsTlsKey?: string;
  readonly dnsTlsPort: string;
  readonly panicThreshold: string;
  readonly subset: string;
  readonly flapDamping?: boolean;
  readonly dialect?: readonly string[];
  readonly stubZones?: boolean;
  readonly vxlanPort: string;
  readonly enableScripts?: boolean;
  /** False: none. */
  readonly docker: string | false;
  readonly dockerPluginDir?: string;
  readonly dockerGrace: string;
}

/** @throws CLI_USAGE */
export function aclTokenOption({ aclTokenFile: file }: AgentFlags): { readonly aclToken?: string } {
  if (file === undefined) return {};
  try {
    return { aclToken: readFileSync(file, "utf8").trim() };
  } catch (cause) {
    throw new FabricError(
      "CLI_USAGE",
      `read --acl-token-file ${file}: ${(cause as NodeJS.ErrnoException).code}; give a file with the secret`,
      { cause },
    );
  }
}

/** @throws CLI_USAGE */
export function aclOption({ acl }: { readonly acl?: string }): { readonly acl?: "allow" | "deny" } {
  if (acl === undefined) return {};
  if (acl === "allow" || acl === "deny") return { acl };
  throw new FabricError(
    "CLI_USAGE",
    `read --acl ${JSON.stringify(acl)}: expected allow or deny, for what no rule is written for`,
  );
}

/** A whole number within bounds. @throws CLI_USAGE */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new FabricError(
    "CLI_USAGE",
    `read ${option} ${JSON.stringify(text)}: expected a whole number from ${min} to ${max}`,
  );
}

/** A part of a whole. @throws CLI_USAGE */
export function share(option: string, text: string): number {
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value <= 1) return value;
  throw new FabricError("CLI_USAGE", `read ${option} ${JSON.stringify(text)}: expected a number from 0 to 1`);
}

/** As in 90s or 1h30m; answers milliseconds. @throws CLI_USAGE */
export function duration(option: string, text: string): number {
  const ms = parseGoDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new FabricError(
    "CLI_USAGE",
    `read ${option} ${JSON.stringify(text)}: expected a time, as in 90s or 24h`,
  );
}

/** The text of an option that takes it as it is, or `@FILE`. @throws CLI_USAGE */
export function textOrFile(option: string, text: string): string {
  if (!text.startsWith("@")) return text;
  try {
    return readFileSync(text.slice(1), "utf8").trim();
  } catch (cause) {
    throw new FabricError("CLI_USAGE", `read ${option} from ${text.slice(1)}: ${String(cause)}`, { cause });
  }
}

const dialectDomains = { skydns: "skydns.local", mesos: "mesos" } as const;

/** `NAME` or `NAME=DOMAIN`, each name once. @throws CLI_USAGE */
export function dialects(texts: readonly string[]): DialectOptions {
  const chosen: Record<string, string> = {};
  for (const text of texts) {
    const [name = "", domain] = text.split(/=(.*)/);
    if (!Object.hasOwn(dialectDomains, name) || chosen[name] !== undefined || domain === "") {
      const known = Object.keys(dialectDomains).join(" or ");
      throw new FabricError(
        "CLI_USAGE",
        `read --dialect ${JSON.stringify(text)}: expected ${known}, each once, with =DOMAIN if it is to be another`,
      );
    }
    chosen[name] = domain ?? dialectDomains[name as keyof typeof dialectDomains];
  }
  return chosen;
}

const controlPort = 8502;

/** Where a server is: `HOST:PORT`, `HOST`, or `unix:PATH`; the host may be a name. @throws CLI_USAGE */
export function serverAddress(text: string): string {
  if (text.startsWith("unix:/")) return text;
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[3] ?? controlPort);
  if (match && port >= 1 && port <= 65_535) return `${match[1]}:${port}`;
  throw new FabricError(
    "CLI_USAGE",
    `read --server ${JSON.stringify(text)}: expected HOST, HOST:PORT or unix:PATH, as in 192.0.2.10:${controlPort}`,
  );
}

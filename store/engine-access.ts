/**
 * How an engine outside of this process is reached: the addresses in a specification, and the files that say who we
 * are. Secrets come from files, never from the command line, where every user of the host can read them.
 */
import { readFileSync } from "node:fs";
import { FabricError } from "../errors/index.ts";

export interface EngineAccess {
  /** Where the keys of this fabric are; several fabrics share an engine under several prefixes. Default: `heddle/`. */
  readonly prefix?: string;
  /** Paths of PEM files. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly user?: string;
  /** Path of a file with the password of the user, or with Consul's token. */
  readonly secretFile?: string;
}

export const defaultStorePrefix = "heddle/";

export interface Endpoints {
  /** `HOST:PORT` */
  readonly addresses: readonly string[];
  readonly tls: boolean;
}

export interface Proof {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly secret?: string;
}

/** `http://HOST[:PORT]`, `https://…`, several by commas, all alike. @throws STORE_UNKNOWN_ENGINE */
export function parseEndpoints(spec: string, urls: string, defaultPort: number): Endpoints {
  const parsed = urls.split(",").map((url) => (URL.canParse(url) ? new URL(url) : undefined));
  const addresses = parsed.flatMap((url) => {
    const plain =
      url && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search + url.hash === "";
    if (!plain || url.username !== "" || url.hostname === "") return [];
    return [`${url.hostname}:${url.port === "" ? defaultPort : url.port}`];
  });
  const schemes = new Set(parsed.map((url) => url?.protocol));
  if (addresses.length < parsed.length || schemes.size !== 1) {
    throw new FabricError(
      "STORE_UNKNOWN_ENGINE",
      `open store "${spec}": its addresses are not URLs of one scheme; write http://HOST:PORT or https://HOST:PORT, several separated by commas`,
      { details: { spec } },
    );
  }
  return { addresses, tls: schemes.has("https:") };
}

/** @throws STORE_DENIED when a file cannot be read */
export function readProof({ caFile, certFile, keyFile, secretFile }: EngineAccess): Proof {
  const secret = readIf("--store-secret", secretFile)?.toString().trimEnd();
  const [ca, cert, key] = [
    readIf("--store-ca", caFile),
    readIf("--store-cert", certFile),
    readIf("--store-key", keyFile),
  ];
  if ((cert === undefined) !== (key === undefined)) {
    throw new FabricError(
      "STORE_DENIED",
      "open store: a certificate and its key belong together; give both --store-cert and --store-key",
    );
  }
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(secret !== undefined && { secret }),
  };
}

function readIf(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new FabricError(
      "STORE_DENIED",
      `open store: ${option} ${path} cannot be read (${(cause as Error).message}); name a file that this user may read`,
      { cause, details: { path } },
    );
  }
}

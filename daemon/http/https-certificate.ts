/**
 * What HTTPS of this process shows: the operator's files where there are some, else a certificate of the fabric's
 * authority; and whom it lets in. Either may change at any time; connections that are there stay.
 */
import { hostname, networkInterfaces } from "node:os";
import { type Ip, parseIp } from "../../addr/index.ts";
import type { CertificateSource, ServingCertificate } from "../../api/index.ts";
import { systemClock } from "../../clock/index.ts";
import {
  type AgentTrust,
  type ControlClient,
  namesOfServer,
  ServingCertificateKeeper,
  type ServingCertificateKeeperOptions,
  type ServingNames,
  type TrustBook,
} from "../../control/index.ts";
import { FabricError } from "../../errors/index.ts";
import { whenConnected } from "../link/server-link.ts";
import type { HttpsOptions, ProcessOptions } from "../process/options.ts";
import type { Teardown } from "../process/teardown.ts";
import { PemFiles } from "./pem-files.ts";

/** Where the fabric's certificates come from: of a server its own authority, of an agent its servers. */
export interface FabricIssuer
  extends Pick<ServingCertificateKeeperOptions, "issue" | "directory" | "mustName"> {
  /** Told when another authority signs: a certificate of that is asked for. */
  onAuthority(listener: () => void): () => void;
}

interface Part {
  readonly current: Partial<ServingCertificate> | undefined;
  onChange(listener: () => void): () => void;
}

/** @throws DAEMON_TLS_FAILED, DAEMON_OPTION_INVALID where there is neither a file nor an authority */
export async function openHttpsCertificate(
  { certFile, keyFile, clientCaFile }: HttpsOptions,
  fabric: FabricIssuer | undefined,
  { log }: Pick<ProcessOptions, "log">,
  teardown: Teardown,
): Promise<CertificateSource> {
  const parts: Part[] = [];
  const hasOwn = certFile !== undefined && keyFile !== undefined;
  if (hasOwn || clientCaFile !== undefined) {
    const paths = {
      ...(hasOwn && { cert: certFile, key: keyFile }),
      ...(clientCaFile !== undefined && { clientAuthority: clientCaFile }),
    };
    const files = new PemFiles(paths, systemClock, (error) =>
      log.error({ error }, "the files of HTTPS cannot be used; those before stay in use"),
    );
    const reload = () => files.reload();
    process.on("SIGHUP", reload);
    teardown.add("files of HTTPS", () => {
      process.off("SIGHUP", reload);
      files.close();
    });
    parts.push(files);
  }
  if (!hasOwn) {
    if (!fabric) throw withoutAuthority();
    const keeper = await ServingCertificateKeeper.open({
      ...fabric,
      clock: systemClock,
      onFailure: (error) => log.warn({ error }, "get a certificate for HTTPS; it is tried again"),
    });
    const stop = fabric.onAuthority(() => void keeper.renew());
    teardown.add("certificate of HTTPS", () => {
      stop();
      keeper.close();
    });
    parts.push(keeper);
  }
  return together(parts);
}

function together(parts: readonly Part[]): CertificateSource {
  return {
    follow: (apply) => {
      const now = () => {
        const { cert, key, ...rest } = Object.assign(
          {},
          ...parts.map(({ current }) => current),
        ) as Partial<ServingCertificate>;
        if (cert !== undefined && key !== undefined) apply({ cert, key, ...rest });
      };
      const stops = parts.map((part) => part.onChange(now));
      now();
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

const unspecified: readonly string[] = ["0.0.0.0", "::"];

export function serverIssuer(
  book: Pick<TrustBook, "issueServing" | "authorities">,
  names: ServingNames,
): FabricIssuer {
  return {
    issue: (request) => book.issueServing(names, request),
    mustName: [],
    onAuthority: (listener) => book.authorities.onChange(listener),
  };
}

/** Asks when a server knows the node. Undefined where no server can be asked for one. */
export function agentIssuer(
  trust: AgentTrust | undefined,
  servers: readonly string[],
  { client, ...files }: Pick<FabricIssuer, "directory" | "mustName"> & { readonly client: ControlClient },
): FabricIssuer | undefined {
  if (!trust || servers.every((server) => server.startsWith("unix:"))) return undefined;
  return {
    ...files,
    onAuthority: (listener) => trust.onAuthority(listener),
    issue: async (request) => {
      await whenConnected(client);
      return trust.issueServing(request);
    },
  };
}

/** What clients call a server by: what the operator names, and the addresses of this host that it listens on. */
export function serverNames({ datacenter, httpHosts = [], https }: ProcessOptions): ServingNames {
  const names = [hostname(), ...httpHosts.filter((name) => name !== "any")].map((name) => name.toLowerCase());
  const ip = https?.listen.ip;
  const addresses = ip === undefined || unspecified.includes(ip) ? hostAddresses() : [ip];
  return namesOfServer(datacenter, [...new Set(names)], addresses);
}

function hostAddresses(): readonly Ip[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap(({ address, internal }) =>
      internal || address.includes("%") || address.startsWith("fe80:") ? [] : [parseIp(address)],
    ),
  );
}

function withoutAuthority(): FabricError {
  return new FabricError(
    "DAEMON_OPTION_INVALID",
    "serve --https: an agent with --insecure, or at the socket of its server, has no authority to ask; give --https-cert and --https-key",
  );
}

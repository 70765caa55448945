/**
 * The fabric's certificate authorities in the shape of Consul's `connect/ca/roots`: what a client of HTTPS must trust.
 * Certificates only, which are no secret. With `pem` they come as a file, as there. No mesh is behind them.
 */
import { createHash, X509Certificate } from "node:crypto";
import type { AuthorityBackend } from "../fabric-backend.ts";
import { type ApiHandler, type ApiResponse, changed } from "../request.ts";
import { type Call, json, type Route } from "../route.ts";

const [path, agentPath] = ["/v1/connect/ca/roots", "/v1/agent/connect/ca/roots"];

export interface ConsulRoots {
  readonly ActiveRootID: string;
  readonly TrustDomain: string;
  readonly Roots: readonly {
    readonly ID: string;
    readonly Name: string;
    readonly RootCert: string;
    readonly Active: boolean;
    readonly NotBefore: string;
    readonly NotAfter: string;
  }[];
}

export function connectCaRoutes(backend: AuthorityBackend): readonly Route[] {
  const roots = async (call: Call): Promise<ApiResponse> => {
    const { fabric, authorities } = await backend.authorities();
    if (call.query.has("pem")) return pem(authorities.map(({ certificate }) => certificate));
    const all = authorities.map(({ certificate, signs }) => rootOf(certificate, fabric, signs));
    const shown: ConsulRoots = {
      ActiveRootID: all.find(({ Active }) => Active)?.ID ?? "",
      TrustDomain: fabric,
      Roots: all,
    };
    return json(call, shown);
  };
  return [path, agentPath].map((each) => ({ path: each, methods: { GET: roots } }));
}

/** On an agent, which asks its server. */
export function forwardedCaRoute(forward: ApiHandler): Route {
  const roots = ({ request }: Call) =>
    forward(changed(request, { target: request.target.replace(agentPath, path) }));
  return { path: agentPath, methods: { GET: roots } };
}

function pem(certificates: readonly string[]): ApiResponse {
  const body = certificates.map((certificate) => `${certificate.trim()}\n`).join("");
  return { status: 200, headers: { "Content-Type": "application/pem-certificate-chain" }, body };
}

function rootOf(text: string, fabric: string, signs: boolean) {
  const certificate = new X509Certificate(text);
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  const id = createHash("sha1").update(certificate.raw).digest("hex");
  return {
    ID: colons(id),
    Name: certificate.subject.replace(/^CN=/, ""),
    // Consul has a number of 64 bits; ours have 128, of which a client can do without the rest.
    SerialNumber: Number.parseInt(certificate.serialNumber.slice(-12), 16),
    SigningKeyID: colons(createHash("sha1").update(spki).digest("hex")),
    ExternalTrustDomain: fabric,
    NotBefore: new Date(certificate.validFrom).toISOString(),
    NotAfter: new Date(certificate.validTo).toISOString(),
    RootCert: `${text.trim()}\n`,
    IntermediateCerts: null,
    Active: signs,
    PrivateKeyType: "ec",
    PrivateKeyBits: 256,
    CreateIndex: 1,
    ModifyIndex: 1,
  };
}

function colons(hex: string): string {
  return hex.replace(/..(?=.)/g, "$&:");
}

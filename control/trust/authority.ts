/**
 * The certificate authority of a fabric: it signs what servers and nodes show each other, and nothing else. Keys are
 * ECDSA P-256; a node makes its own and sends a signing request (PKCS#10, RFC 2986), of which only the public key is
 * taken: what the certificate says is decided here. Profile after RFC 5280 and SPIFFE's X509-SVID.
 *
 * Import it lazily: the X.509 library costs a start 160 ms and 24 MB, and only nodes and servers on TCP need it.
 * Wall clocks differ, so a certificate is valid from `skewMs` before it was issued.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { FabricError } from "../../errors/index.ts";
import { type PeerIdentity, printIdentity } from "./peer-identity.ts";
import type { ServingNames } from "./serving-names.ts";

/** Stored at `trust/authority`, and in backups: whoever has it can be any node. */
export interface AuthorityRecord {
  /** Name of the fabric in every identity. */
  readonly fabric: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

export interface KeyPair {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM, PKCS#10. */
  readonly request: string;
}

export const skewMs = 5 * 60_000;
const authorityLifeMs = 10 * 365 * 24 * 3600_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const serialBytes = 16;

export async function createAuthority(fabric: string, nowMs: number): Promise<AuthorityRecord> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Heddle fabric ${fabric}`,
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + authorityLifeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { fabric, certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

export async function createKeyPair(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=heddle",
    keys,
    signingAlgorithm: algorithm,
  });
  return { key: await exportKey(keys.privateKey), request: request.toString("pem") };
}

export class Authority {
  readonly fabric: string;
  /** PEM. */
  readonly certificate: string;
  readonly #issuer: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  static async open(record: AuthorityRecord): Promise<Authority> {
    const der = x509.PemConverter.decodeFirst(record.key);
    const key = await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
    return new Authority(record, key);
  }

  private constructor({ fabric, certificate }: AuthorityRecord, key: webcrypto.CryptoKey) {
    this.fabric = fabric;
    this.certificate = certificate;
    this.#issuer = new x509.X509Certificate(certificate);
    this.#key = key;
  }

  /** The certificate of an identity, PEM, the authority's behind it. @throws CONTROL_REQUEST_INVALID */
  issue(request: string, identity: PeerIdentity, lifeMs: number, nowMs: number): Promise<string> {
    return this.#sign(request, lifeMs, nowMs, {
      subject: identity.kind,
      uses: [x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth],
      names: [{ type: "url", value: printIdentity(identity) }],
    });
  }

  /** A certificate for an HTTPS listener: it names no identity, so it opens nothing. @throws CONTROL_REQUEST_INVALID */
  issueServing(
    request: string,
    { names, addresses }: ServingNames,
    lifeMs: number,
    nowMs: number,
  ): Promise<string> {
    return this.#sign(request, lifeMs, nowMs, {
      subject: names[0] ?? "heddle",
      uses: [x509.ExtendedKeyUsage.serverAuth],
      names: [
        ...names.map((value) => ({ type: "dns", value }) as const),
        ...addresses.map((value) => ({ type: "ip", value }) as const),
      ],
    });
  }

  async #sign(
    request: string,
    lifeMs: number,
    nowMs: number,
    { subject, uses, names }: Profile,
  ): Promise<string> {
    const publicKey = await readRequest(request);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${subject}`,
      issuer: this.#issuer.subject,
      notBefore: new Date(nowMs - skewMs),
      notAfter: new Date(nowMs + lifeMs),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: this.#key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([...uses]),
        new x509.SubjectAlternativeNameExtension([...names]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer),
      ],
    });
    return `${certificate.toString("pem")}\n${this.certificate}`;
  }
}

interface Profile {
  readonly subject: string;
  readonly uses: readonly x509.ExtendedKeyUsage[];
  readonly names: readonly x509.JsonGeneralName[];
}

/** The public key, after the request proved that its sender has the private one. */
async function readRequest(text: string): Promise<x509.PublicKey> {
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(text);
  } catch (cause) {
    throw invalidRequest("it is not a PKCS#10 request in PEM", cause);
  }
  const { namedCurve } = request.publicKey.algorithm as { readonly namedCurve?: string };
  if (namedCurve !== algorithm.namedCurve) throw invalidRequest("its key is not of the curve P-256");
  if (!(await request.verify().catch(() => false)))
    throw invalidRequest("its signature does not fit its key");
  return request.publicKey;
}

function invalidRequest(why: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_REQUEST_INVALID",
    `sign a certificate: ${why}; bring agent and server to the same release`,
    { cause },
  );
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

/** Positive, at most 20 octets (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(serialBytes));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

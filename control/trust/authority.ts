/**
 * The certificate authority of a fabric: it signs what servers and nodes show each other, and nothing else. Keys are
 * ECDSA P-256; a node makes its own and sends a signing request (PKCS#10, RFC 2986), of which only the public key is
 * taken: what the certificate says is decided here. Profile after RFC 5280 and SPIFFE's X509-SVID.
 *
 * Import it lazily: the X.509 library costs a start 160 ms and 24 MB, and only nodes and servers on TCP need it.
 * Wall clocks differ, so a certificate is valid from `skewMs` before it was issued.
 */
import "reflect-metadata";
import { createHash, createPublicKey, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { FabricError } from "../../errors/index.ts";
import { type PeerIdentity, printIdentity } from "./peer-identity.ts";
import type { ServingNames } from "./serving-names.ts";

/** Whoever has it can be any node. */
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
  const certificate = await rootOf(fabric, keys, nowMs);
  return { fabric, certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

/**
 * An authority's signature under the key of the next one, PEM: whoever believes only the first is led by it to what the next one
 * signs. It has the same name as both, so it does not count in the length of a path (RFC 5280 section 4.2.1.9).
 */
export async function createBridge(
  from: AuthorityRecord,
  to: string,
  lifeMs: number,
  nowMs: number,
): Promise<string> {
  const issuer = new x509.X509Certificate(from.certificate);
  const { publicKey, subject } = new x509.X509Certificate(to);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: issuer.subject,
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + lifeMs),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: await importKey(from.key),
    extensions: [
      ...(await authorityExtensions(publicKey)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return certificate.toString("pem");
}

async function rootOf(
  fabric: string,
  keys: webcrypto.CryptoKeyPair,
  nowMs: number,
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Heddle fabric ${fabric}`,
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + authorityLifeMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: await authorityExtensions(keys.publicKey),
  });
}

async function authorityExtensions(
  publicKey: webcrypto.CryptoKey | x509.PublicKey,
): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
}

export async function createKeyPair(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return { key: await exportKey(keys.privateKey), request: await requestOf(keys) };
}

/** A request that is signed with a key that is there already (PEM, PKCS#8): it proves that its sender has that. */
export async function createRequest(key: string): Promise<string> {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const publicKey = await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]);
  return requestOf({ publicKey, privateKey: await importKey(key) });
}

/** `fingerprintOf` of the key that a request is for. @throws CONTROL_REQUEST_INVALID */
export async function requestedKey(request: string): Promise<string> {
  const { rawData } = await readRequest(request);
  return createHash("sha256").update(new Uint8Array(rawData)).digest("base64url");
}

async function requestOf(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=heddle",
    keys,
    signingAlgorithm: algorithm,
  });
  return request.toString("pem");
}

export class Authority {
  readonly fabric: string;
  /** PEM. */
  readonly certificate: string;
  readonly #issuer: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  static async open(record: AuthorityRecord): Promise<Authority> {
    return new Authority(record, await importKey(record.key));
  }

  private constructor({ fabric, certificate }: AuthorityRecord, key: webcrypto.CryptoKey) {
    this.fabric = fabric;
    this.certificate = certificate;
    this.#issuer = new x509.X509Certificate(certificate);
    this.#key = key;
  }

  /** The certificate of an identity, PEM. @throws CONTROL_REQUEST_INVALID */
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
    return certificate.toString("pem");
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

function importKey(key: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(key);
  return webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
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

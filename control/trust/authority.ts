/**
 * The certificate authority of a fabric: it signs what servers and nodes show each other, and nothing else. Keys are
 * ECDSA P-256; a node makes its own and sends a signing request (PKCS#10, RFC 2986), of which only the public key is
 * taken: what the certificate says is decided here. Profile after RFC 5280 and SPIFFE's X509-SVID.
 *
 * Wall clocks differ, so a certificate is valid from `skewMs` before it was issued.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { promisify } from "node:util";
import { ipToBytes } from "../../addr/index.ts";
import { type PeerIdentity, printIdentity } from "./peer-identity.ts";
import type { ServingNames } from "./serving-names.ts";
import {
  type AlternativeName,
  commonName,
  createSigningRequest,
  extensions,
  keyIdOf,
  keyUses,
  purposes,
  readSigningRequest,
  type Signer,
  signCertificate,
  signerOf,
  spkiOf,
} from "./x509/index.ts";

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
const serialBytes = 16;
const newKeys = () => promisify(generateKeyPair)("ec", { namedCurve: "P-256" });

export async function createAuthority(fabric: string, nowMs: number): Promise<AuthorityRecord> {
  const { publicKey, privateKey } = await newKeys();
  const name = commonName(`Heddle fabric ${fabric}`);
  const certificate = signCertificate(
    {
      ...validFrom(nowMs, authorityLifeMs),
      subject: name,
      issuer: name,
      publicKey,
      extensions: [...authorityExtensions, extensions.keyId(keyIdOf(publicKey))],
    },
    privateKey,
  );
  return { fabric, certificate, key: printKey(privateKey) };
}

/**
 * An authority's signature under the key of the next one, PEM: whoever believes only the first is led by it to what the next one
 * signs. It has the same name as both, so it does not count in the length of a path (RFC 5280 section 4.2.1.9).
 */
export function createBridge(from: AuthorityRecord, to: string, lifeMs: number, nowMs: number): string {
  const [issuer, next] = [signerOf(from.certificate), signerOf(to)];
  return signCertificate(
    {
      ...validFrom(nowMs, lifeMs),
      subject: next.subject,
      issuer: issuer.subject,
      publicKey: new X509Certificate(to).publicKey,
      extensions: [
        ...authorityExtensions,
        extensions.keyId(next.keyId),
        extensions.authorityKeyId(issuer.keyId),
      ],
    },
    createPrivateKey(from.key),
  );
}

const authorityExtensions = [
  extensions.authority(0),
  extensions.keyUsage(keyUses.certificatesAndLists),
] as const;

export async function createKeyPair(): Promise<KeyPair> {
  const { publicKey, privateKey } = await newKeys();
  return { key: printKey(privateKey), request: createSigningRequest(publicKey, privateKey) };
}

/** A request that is signed with a key that is there already (PEM, PKCS#8): it proves that its sender has that. */
export function createRequest(key: string): string {
  const privateKey = createPrivateKey(key);
  return createSigningRequest(createPublicKey(privateKey), privateKey);
}

/** `fingerprintOf` of the key that a request is for. @throws CONTROL_REQUEST_INVALID */
export function requestedKey(request: string): string {
  return createHash("sha256")
    .update(spkiOf(readSigningRequest(request)))
    .digest("base64url");
}

export class Authority {
  readonly fabric: string;
  /** PEM. */
  readonly certificate: string;
  readonly #signer: Signer;
  readonly #key: KeyObject;

  constructor({ fabric, certificate, key }: AuthorityRecord) {
    this.fabric = fabric;
    this.certificate = certificate;
    this.#signer = signerOf(certificate);
    this.#key = createPrivateKey(key);
  }

  /** The certificate of an identity, PEM. @throws CONTROL_REQUEST_INVALID */
  issue(request: string, identity: PeerIdentity, lifeMs: number, nowMs: number): string {
    return this.#sign(request, lifeMs, nowMs, {
      subject: identity.kind,
      uses: [purposes.clientAuth, purposes.serverAuth],
      names: [{ kind: "uri", value: printIdentity(identity) }],
    });
  }

  /** A certificate for an HTTPS listener: it names no identity, so it opens nothing. @throws CONTROL_REQUEST_INVALID */
  issueServing(request: string, { names, addresses }: ServingNames, lifeMs: number, nowMs: number): string {
    return this.#sign(request, lifeMs, nowMs, {
      subject: names[0] ?? "heddle",
      uses: [purposes.serverAuth],
      names: [
        ...names.map((value) => ({ kind: "dns", value }) as const),
        ...addresses.map((ip) => ({ kind: "ip", bytes: ipToBytes(ip) }) as const),
      ],
    });
  }

  #sign(request: string, lifeMs: number, nowMs: number, { subject, uses, names }: Profile): string {
    return signCertificate(
      {
        ...validFrom(nowMs, lifeMs),
        subject: commonName(subject),
        issuer: this.#signer.subject,
        publicKey: readSigningRequest(request),
        extensions: [
          extensions.noAuthority(),
          extensions.keyUsage(keyUses.digitalSignature),
          extensions.purposes(uses),
          extensions.names(names),
          extensions.authorityKeyId(this.#signer.keyId),
        ],
      },
      this.#key,
    );
  }
}

interface Profile {
  readonly subject: string;
  readonly uses: readonly string[];
  readonly names: readonly AlternativeName[];
}

function validFrom(nowMs: number, lifeMs: number) {
  return { serial: serial(), fromMs: nowMs - skewMs, toMs: nowMs + lifeMs };
}

function printKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** Positive, at most 20 octets (RFC 5280 section 4.1.2.2). */
function serial(): Uint8Array {
  const bytes = randomBytes(serialBytes);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

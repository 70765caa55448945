/**
 * Certificates as RFC 5280 has them, version 3, with the extensions that a fabric's are made of and no others. Signed by ECDSA
 * with SHA-256. What is read of one is what its successor or its leaf must repeat; whether it is good, node:crypto and TLS say.
 */
import { createHash, type KeyObject, sign, X509Certificate } from "node:crypto";
import {
  bits,
  context,
  contextTag,
  type Element,
  encode,
  integer,
  octets,
  oid,
  readAll,
  readBits,
  readOnly,
  sequence,
  tags,
  time,
  utf8,
} from "./der.ts";

/** What a certificate says of the one that signs it, and what its own leaves repeat of it. */
export interface Signer {
  /** Its name, DER. */
  readonly subject: Uint8Array;
  readonly keyId: Uint8Array;
}

export interface CertificateSpec {
  /** Positive, at most 20 octets. */
  readonly serial: Uint8Array;
  /** DER, of `commonName`. */
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly fromMs: number;
  readonly toMs: number;
  readonly publicKey: KeyObject;
  /** Of `extensions`, in this order. */
  readonly extensions: readonly Uint8Array[];
}

export const keyUses = { digitalSignature: 0x80, certificatesAndLists: 0x06 } as const;
export const purposes = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;

/** PEM. */
export function signCertificate(spec: CertificateSpec, key: KeyObject): string {
  const body = sequence(
    context(0, integer(Buffer.of(2)), true),
    integer(spec.serial),
    ecdsaWithSha256,
    spec.issuer,
    sequence(time(spec.fromMs), time(spec.toMs)),
    spec.subject,
    spkiOf(spec.publicKey),
    context(3, sequence(...spec.extensions), true),
  );
  return toPem(signed(body, key), "CERTIFICATE");
}

/** What is signed, how, and the signature: certificates and requests alike. */
export function signed(body: Uint8Array, key: KeyObject): Uint8Array {
  return sequence(body, ecdsaWithSha256, bits(sign("sha256", body, { key, dsaEncoding: "der" })));
}

export const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));

/** Cut to what a common name may hold (RFC 5280 appendix A.1). */
export function commonName(text: string): Uint8Array {
  const attribute = sequence(oid("2.5.4.3"), utf8([...text].slice(0, 64).join("")));
  return sequence(encode(tags.set, attribute));
}

export function spkiOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ type: "spki", format: "der" });
}

/** RFC 7093 section 2, method 1. */
export function keyIdOf(publicKey: KeyObject): Uint8Array {
  const [, key] = readOnly(spkiOf(publicKey), tags.sequence);
  return createHash("sha256").update(readBits(key)).digest().subarray(0, 20);
}

export const extensions = {
  authority: (pathLength: number) =>
    extension(
      "2.5.29.19",
      sequence(encode(tags.boolean, Buffer.of(0xff)), integer(Buffer.of(pathLength))),
      true,
    ),
  noAuthority: () => extension("2.5.29.19", sequence(), true),
  keyUsage: (uses: number) =>
    extension("2.5.29.15", bits(Buffer.of(uses), Math.clz32(uses & -uses) ^ 31), true),
  purposes: (ids: readonly string[]) => extension("2.5.29.37", sequence(...ids.map(oid))),
  names: (names: readonly AlternativeName[]) => extension("2.5.29.17", sequence(...names.map(nameOf))),
  keyId: (id: Uint8Array) => extension(keyIdExtension, octets(id)),
  authorityKeyId: (id: Uint8Array) => extension("2.5.29.35", sequence(context(0, id))),
} as const;

export type AlternativeName =
  | { readonly kind: "uri" | "dns"; readonly value: string }
  | { readonly kind: "ip"; readonly bytes: Uint8Array };

function nameOf(name: AlternativeName): Uint8Array {
  switch (name.kind) {
    case "dns":
      return context(2, Buffer.from(name.value, "ascii"));
    case "uri":
      return context(6, Buffer.from(name.value, "ascii"));
    case "ip":
      return context(7, name.bytes);
    default:
      return name satisfies never;
  }
}

function extension(id: string, value: Uint8Array, isCritical = false): Uint8Array {
  const critical = isCritical ? [encode(tags.boolean, Buffer.of(0xff))] : [];
  return sequence(oid(id), ...critical, octets(value));
}

const keyIdExtension = "2.5.29.14";

/** Of an authority's certificate, PEM. @throws CONTROL_REQUEST_INVALID when it is none */
export function signerOf(certificate: string): Signer {
  const [body] = readOnly(new X509Certificate(certificate).raw, tags.sequence);
  // Version, serial, algorithm, issuer, validity, subject, key, and extensions as the last of what may follow.
  const parts = readAll(body?.content ?? new Uint8Array());
  const list = parts.find(({ tag }) => tag === contextTag(3, true));
  const id = oid(keyIdExtension);
  const found = readOnly(list?.content ?? new Uint8Array(), tags.sequence)
    .map(({ content }) => readAll(content))
    .find(([first]) => first && Buffer.compare(first.whole, id) === 0);
  return {
    subject: (parts[5] as Element).whole,
    keyId: readAll(found?.at(-1)?.content ?? new Uint8Array())[0]?.content ?? new Uint8Array(),
  };
}

export function toPem(der: Uint8Array, label: string): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** Certificates and requests beside a public library's: each reads what the other wrote. */
import "reflect-metadata";
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import * as peer from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipFromBytes } from "../../../addr/index.ts";
import { encode, integer, oid, readAll, sequence } from "./der.ts";
import {
  commonName,
  createSigningRequest,
  extensions,
  keyIdOf,
  keyUses,
  purposes,
  readSigningRequest,
  signCertificate,
  signerOf,
  spkiOf,
} from "./index.ts";

const newKeys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const own = newKeys();
const leafKeys = newKeys();
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const refused = expect.objectContaining({ code: "CONTROL_REQUEST_INVALID" });
const hour = 3600_000;

function root(keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): string {
  const name = commonName("Heddle fabric ü");
  return signCertificate(
    {
      ...{ serial: Buffer.of(0x41), subject: name, issuer: name, publicKey: keys.publicKey },
      ...{ fromMs: Date.now() - hour, toMs: Date.now() + hour },
      extensions: [
        extensions.authority(0),
        extensions.keyUsage(keyUses.certificatesAndLists),
        extensions.keyId(keyIdOf(keys.publicKey)),
      ],
    },
    keys.privateKey,
  );
}

function leaf(authority: string, key: KeyObject, more: Partial<Parameters<typeof signCertificate>[0]> = {}) {
  const { subject: issuer, keyId } = signerOf(authority);
  return signCertificate(
    {
      ...{ serial: Buffer.of(0x42, 0), subject: commonName("n1"), issuer, publicKey: leafKeys.publicKey },
      ...{ fromMs: Date.now() - hour, toMs: Date.now() + hour },
      extensions: [
        extensions.noAuthority(),
        extensions.keyUsage(keyUses.digitalSignature),
        extensions.purposes([purposes.clientAuth, purposes.serverAuth]),
        extensions.names([
          { kind: "uri", value: "spiffe://f/node/n1/0" },
          { kind: "dns", value: "n1.node.consul" },
          { kind: "ip", bytes: Buffer.of(192, 0, 2, 7) },
          { kind: "ip", bytes: Buffer.from("20010db8000000000000000000000001", "hex") },
        ]),
        extensions.authorityKeyId(keyId),
      ],
      ...more,
    },
    key,
  );
}

describe("a certificate", () => {
  test("says to another library what was written, and its authority is what signed it", async () => {
    const [authority, made] = [root(own), leaf(root(own), own.privateKey)];
    const [above, shown] = [new peer.X509Certificate(authority), new peer.X509Certificate(made)];
    expect(await above.verify()).toBe(true);
    expect(await shown.verify({ publicKey: above.publicKey })).toBe(true);
    expect([above.subject, shown.subject, shown.issuer]).toEqual([
      "CN=Heddle fabric ü",
      "CN=n1",
      "CN=Heddle fabric ü",
    ]);
    expect(above.getExtension(peer.BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
    expect(above.getExtension(peer.KeyUsagesExtension)).toMatchObject({
      usages: peer.KeyUsageFlags.keyCertSign | peer.KeyUsageFlags.cRLSign,
      critical: true,
    });
    expect(shown.getExtension(peer.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    expect(shown.getExtension(peer.KeyUsagesExtension)?.usages).toBe(peer.KeyUsageFlags.digitalSignature);
    expect(shown.getExtension(peer.ExtendedKeyUsageExtension)?.usages).toEqual([
      peer.ExtendedKeyUsage.clientAuth,
      peer.ExtendedKeyUsage.serverAuth,
    ]);
    expect(shown.getExtension(peer.SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
      { type: "url", value: "spiffe://f/node/n1/0" },
      { type: "dns", value: "n1.node.consul" },
      { type: "ip", value: "192.0.2.7" },
      { type: "ip", value: "2001:db8::1" },
    ]);
    expect(shown.getExtension(peer.AuthorityKeyIdentifierExtension)?.keyId).toBe(
      above.getExtension(peer.SubjectKeyIdentifierExtension)?.keyId,
    );
  });

  test("of an authority that another library made is signed under its name and key", async () => {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const authority = await peer.X509CertificateGenerator.createSelfSigned({
      ...{ serialNumber: "41", name: "CN=Heddle fabric f", keys, signingAlgorithm: algorithm },
      extensions: [
        new peer.BasicConstraintsExtension(true, 0, true),
        await peer.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const pem = authority.toString("pem");
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
    const made = new X509Certificate(
      leaf(pem, createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })),
    );
    const above = new X509Certificate(pem);
    expect([made.checkIssued(above), made.verify(above.publicKey)]).toEqual([true, true]);
  });

  test("keeps any time to the second, and any name and address", () => {
    const authority = root(own);
    const ms = fc.integer({ min: Date.UTC(1951, 0), max: Date.UTC(2120, 0) });
    const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/);
    const ip = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(ms, ms, label, ip, fc.string(), (fromMs, toMs, dns, bytes, subject) => {
        const names = [{ kind: "dns", value: dns } as const, { kind: "ip", bytes } as const];
        const made = new X509Certificate(
          leaf(authority, own.privateKey, {
            ...{ fromMs, toMs, subject: commonName(subject) },
            extensions: [extensions.names(names)],
          }),
        );
        const second = (at: number) => Math.floor(at / 1000) * 1000;
        expect([Date.parse(made.validFrom), Date.parse(made.validTo)]).toEqual([
          second(fromMs),
          second(toMs),
        ]);
        expect([made.checkHost(dns), made.checkIP(ipFromBytes(bytes))]).toEqual([dns, ipFromBytes(bytes)]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a request", () => {
  const request = createSigningRequest(leafKeys.publicKey, leafKeys.privateKey);
  const spki = spkiOf(leafKeys.publicKey);

  async function ofPeer(with_: typeof algorithm | { name: string; namedCurve: string; hash: string }) {
    const keys = await webcrypto.subtle.generateKey(with_, true, ["sign", "verify"]);
    const made = await peer.Pkcs10CertificateRequestGenerator.create({
      ...{ name: "CN=heddle, O=of another release", keys, signingAlgorithm: with_ },
    });
    return { made, pem: made.toString("pem") };
  }

  test("is read by another library, and read from it", async () => {
    expect(await new peer.Pkcs10CertificateRequest(request).verify()).toBe(true);
    const { made, pem } = await ofPeer(algorithm);
    expect(Buffer.from(spkiOf(readSigningRequest(pem)))).toEqual(Buffer.from(made.publicKey.rawData));
  });

  test("with a key of another kind is refused", async () => {
    const { pem } = await ofPeer({ name: "ECDSA", namedCurve: "P-384", hash: "SHA-256" });
    expect(() => readSigningRequest(pem)).toThrow(/curve P-256/);
  });

  test("with the key of another is refused: the signature does not fit", () => {
    const stolen = createSigningRequest(own.publicKey, leafKeys.privateKey);
    expect(() => readSigningRequest(stolen)).toThrow(/does not fit its key/);
  });

  test("that is broken anywhere is refused, or is still for the same key", () => {
    const der = Buffer.from(request.split("\n").slice(1, -2).join(""), "base64");
    const pem = (bytes: Uint8Array) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
    const edit = fc.record({
      at: fc.nat({ max: der.length - 1 }),
      bytes: fc.uint8Array({ maxLength: 4 }),
      drop: fc.nat({ max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let broken = der;
        for (const { at, bytes, drop } of edits)
          broken = Buffer.concat([broken.subarray(0, at), bytes, broken.subarray(at + drop)]);
        let read: KeyObject;
        try {
          read = readSigningRequest(pem(broken));
        } catch (error) {
          expect(error).toEqual(refused);
          return;
        }
        expect(spkiOf(read)).toEqual(spki);
      }),
      { numRuns: 500 },
    );
    for (const text of ["", "x", request.slice(0, -30), `${request}x`])
      expect(() => readSigningRequest(text)).toThrow(refused);
  });
});

describe("DER", () => {
  test("is read in the one form that it is written in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        let read: ReturnType<typeof readAll>;
        try {
          read = readAll(bytes);
        } catch (error) {
          expect(error).toEqual(refused);
          return;
        }
        const written = read.map(({ tag, content }) => encode(tag, content));
        expect(Buffer.concat(written)).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["a length that is longer than it needs to be", "3081050000000000"],
    ["one with a zero before it", "3082000500000000"],
    ["one that is told at the end", "30800000"],
    ["one of more bytes than any that is used", "308400000000"],
    ["a tag of several bytes", "3f8101050000000000"],
    ["less than it says", "30050000"],
    ["a tag alone", "30"],
  ])("is not read with %s", (_, hex) => {
    expect(() => readAll(Buffer.from(hex, "hex"))).toThrow(refused);
  });

  test.each([0, 127, 128, 255, 256, 65_535, 65_536])("holds %i bytes", (length) => {
    const [element] = readAll(sequence(new Uint8Array(length)));
    expect(element?.content.length).toBe(length);
  });

  test("writes integers and object identifiers as X.690 has them", () => {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    expect([[], [0, 0], [0, 1], [0x80]].map((bytes) => hex(integer(Buffer.from(bytes))))).toEqual([
      "020100",
      "020100",
      "020101",
      "02020080",
    ]);
    expect(hex(oid("1.2.840.10045.4.3.2"))).toBe("06082a8648ce3d040302");
  });
});

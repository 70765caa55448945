/** Who may use etcd: certificates, users and tokens, against the real one. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run, waitFor } from "../../test/lab/command.ts";
import { EtcdCluster } from "../../test/lab/etcd-cluster.ts";
import { openStore, type Store } from "../index.ts";

let directory: string;
let etcd: EtcdCluster;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-pki-"));
});
afterEach(async () => {
  await etcd?.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const path = (name: string) => join(directory, name);

/** A CA and what it signed. */
function certify(ca: string, ...names: readonly string[]): void {
  const subject = (name: string) => [
    "-subj",
    `/CN=${name}`,
    "-nodes",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
  ];
  run([
    "openssl",
    "req",
    "-x509",
    "-days",
    "2",
    ...subject(ca),
    "-keyout",
    path(`${ca}.key`),
    "-out",
    path(`${ca}.pem`),
  ]);
  writeFileSync(path("ext"), "subjectAltName=IP:127.0.0.11\nextendedKeyUsage=serverAuth,clientAuth\n");
  for (const name of names) {
    run([
      "openssl",
      "req",
      "-new",
      ...subject(name),
      "-keyout",
      path(`${name}.key`),
      "-out",
      path(`${name}.csr`),
    ]);
    run([
      "openssl",
      "x509",
      "-req",
      "-days",
      "2",
      "-in",
      path(`${name}.csr`),
      "-CA",
      path(`${ca}.pem`),
      "-CAkey",
      path(`${ca}.key`),
      "-CAcreateserial",
      "-extfile",
      path("ext"),
      "-out",
      path(`${name}.pem`),
    ]);
  }
}

async function use(store: Store): Promise<void> {
  await store.txn({ success: [{ op: "put", key: "k", value: Buffer.from("v") }] });
  expect((await store.range("")).items.map(({ key }) => key)).toEqual(["k"]);
  await store.close();
}

describe("etcd over TLS", () => {
  it("is used with the CA and a certificate of ours, and with neither of others", async () => {
    certify("ca", "etcd", "heddle");
    certify("stranger", "intruder");
    etcd = await EtcdCluster.start({
      size: 1,
      scheme: "https",
      flags: [
        "--cert-file",
        path("etcd.pem"),
        "--key-file",
        path("etcd.key"),
        "--trusted-ca-file",
        path("ca.pem"),
        "--client-cert-auth",
      ],
    });
    const spec = `etcd:${etcd.urls}`;
    const ours = { caFile: path("ca.pem"), certFile: path("heddle.pem"), keyFile: path("heddle.key") };
    await use(await waitFor("etcd to let us in", () => openStore(spec, { access: ours })));
    const others = { ...ours, certFile: path("intruder.pem"), keyFile: path("intruder.key") };
    const wrong = [{ ...ours, caFile: path("stranger.pem") }, { caFile: path("ca.pem") }, others];
    await Promise.all(
      wrong.map((access) =>
        expect(openStore(spec, { access })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" }),
      ),
    );
  });
});

describe("etcd with users", () => {
  it("is used with a name and a password, and a token that ended is replaced", async () => {
    etcd = await EtcdCluster.start({ size: 1, flags: ["--auth-token-ttl=1"] });
    for (const command of [
      "user add root:secret",
      "user add heddle:geheim",
      "role add fabric",
      "role grant-permission fabric readwrite heddle/ --prefix",
      "user grant-role heddle fabric",
      "user grant-role root root",
      "auth enable",
    ])
      etcd.ctl(command.split(" "));
    writeFileSync(path("secret"), "geheim\n");
    chmodSync(path("secret"), 0o600);
    const spec = `etcd:${etcd.urls}`;
    const access = { user: "heddle", secretFile: path("secret") };
    const store = await openStore(spec, { access });
    const put = (value: string) =>
      store.txn({ success: [{ op: "put", key: "k", value: Buffer.from(value) }] });
    await put("1");
    // Two tokens' time: the next call is refused first, also where it is a write.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const { revision } = await put("2");
    expect((await store.range("")).revision).toBe(revision);
    await store.close();

    const denied = { code: "STORE_DENIED" };
    writeFileSync(path("wrong"), "guess");
    await expect(openStore(spec, { access: { ...access, secretFile: path("wrong") } })).rejects.toMatchObject(
      denied,
    );
    await expect(openStore(spec)).rejects.toMatchObject(denied);
    await expect(openStore(spec, { access: { ...access, prefix: "other/" } })).rejects.toMatchObject(denied);
  });
});

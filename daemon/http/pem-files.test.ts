import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { testAuthority } from "../../test/fixtures/certificates.ts";
import { httpsRefreshMs, PemFiles, type PemPaths } from "./pem-files.ts";

const failed = (what: RegExp) =>
  expect.objectContaining({ code: "DAEMON_TLS_FAILED", message: expect.stringMatching(what) });

describe("the files of HTTPS", () => {
  let directory: string;
  let [cert, key, clientAuthority]: [string, string, string] = ["", "", ""];
  let own: { readonly cert: string; readonly key: string };
  let clock: ManualClock;
  let failures: unknown[];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "heddle-pem-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    [cert, key, clientAuthority] = ["cert.pem", "key.pem", "ca.pem"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    const authority = await testAuthority();
    own = await authority.serve();
    write(own);
    writeFileSync(clientAuthority, authority.certificate);
    clock = new ManualClock(0);
    failures = [];
  });

  function write(pair: { readonly cert: string; readonly key: string }): void {
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key);
  }

  function open(paths: PemPaths): PemFiles {
    const files = new PemFiles(paths, clock, (error) => failures.push(error));
    onTestFinished(() => files.close());
    return files;
  }

  test("are read whole", () => {
    expect(open({ cert, key }).current).toEqual(own);
    expect(open({ clientAuthority }).current.clientAuthority).toContain("BEGIN CERTIFICATE");
  });

  test("that are not there, cannot be read or do not fit end the start", async () => {
    expect(() => open({ cert: `${cert}.no`, key })).toThrow(failed(/cert\.pem\.no.*ENOENT/));
    chmodSync(directory, 0o700);
    const other = await (await testAuthority()).serve();
    writeFileSync(key, other.key);
    expect(() => open({ cert, key })).toThrow(failed(/key\.pem.*belongs to it/));
    writeFileSync(cert, "no PEM");
    expect(() => open({ cert, key })).toThrow(failed(/give a PEM certificate/));
    writeFileSync(clientAuthority, "");
    expect(() => open({ clientAuthority })).toThrow(failed(/holds no certificate/));
  });

  test("are used when they change, whole or not at all", async () => {
    const files = open({ cert, key });
    let changes = 0;
    files.onChange(() => changes++);
    const next = await (await testAuthority()).serve();
    writeFileSync(cert, next.cert);
    await clock.advance(httpsRefreshMs);
    expect([changes, files.current.cert, failures.length]).toEqual([0, own.cert, 1]);
    await clock.advance(httpsRefreshMs);
    expect(failures).toHaveLength(1);
    write(next);
    files.reload();
    expect([changes, files.current]).toEqual([1, next]);
    await clock.advance(httpsRefreshMs);
    expect(changes).toBe(1);
  });
});

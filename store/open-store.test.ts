import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryStore, openStore, SqliteStore } from "./index.ts";

describe("openStore()", () => {
  it("opens memory and sqlite:PATH", async () => {
    const directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
    expect(await openStore("memory")).toBeInstanceOf(MemoryStore);
    const store = await openStore(`sqlite:${directory}/a:b.db`);
    expect(store).toBeInstanceOf(SqliteStore);
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it("loads no client of an engine that was not chosen", () => {
    const program = `
      import { Module } from "node:module";
      const { openStore } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
      const loaded = () => Object.keys(Module._cache).filter((path) => /(grpc-js|consul)/.test(path));
      await openStore("memory");
      const before = loaded().length;
      await openStore("etcd:http://127.0.0.1:1", { access: { prefix: "" } }).catch(() => undefined);
      console.log(JSON.stringify([before, loaded().length > 0]));`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    expect(JSON.parse(printed)).toEqual([0, true]);
  });

  it.each(["", "sqlite", "sqlite:", "Memory", "memory:", "postgres:x", "/var/lib/store.db", "etcd:"])(
    "refuses %j and names what there is",
    async (spec) => {
      await expect(openStore(spec)).rejects.toMatchObject({
        code: "STORE_UNKNOWN_ENGINE",
        message: expect.stringContaining('"memory", "sqlite:PATH"'),
      });
    },
  );

  it.each([
    "etcd:127.0.0.1:2379",
    "etcd:http://a:1,https://b:2",
    "etcd:http://a:1,",
    "etcd:http://a/path",
    "etcd:http://user@a:1",
    "etcd:ftp://a:1",
  ])("refuses the addresses of %j", async (spec) => {
    await expect(openStore(spec)).rejects.toMatchObject({
      code: "STORE_UNKNOWN_ENGINE",
      message: expect.stringContaining("URLs of one scheme"),
    });
  });

  it("refuses a file that it cannot read, and a certificate without its key", async () => {
    const missing = openStore("etcd:https://127.0.0.1:1", { access: { caFile: "/none/ca.pem" } });
    await expect(missing).rejects.toMatchObject({ code: "STORE_DENIED", details: { path: "/none/ca.pem" } });
    const half = openStore("etcd:https://127.0.0.1:1", { access: { certFile: import.meta.filename } });
    await expect(half).rejects.toMatchObject({ code: "STORE_DENIED" });
  });

  it.each(["heddle", "/heddle/", "", "a b/"])("refuses the prefix %j", async (prefix) => {
    const opening = openStore("etcd:http://127.0.0.1:1", { access: { prefix } });
    await expect(opening).rejects.toMatchObject({ code: "STORE_INVALID_PREFIX" });
  });
});

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { installCni, uninstallCni } from "./install.ts";

let directory: string;
let options: { binDir: string; confDir: string; socketPath: string };
let binary: string;
let list: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-install-"));
  options = {
    binDir: join(directory, "bin"),
    confDir: join(directory, "net.d"),
    socketPath: "/run/heddle/cni.sock",
  };
  binary = join(options.binDir, "heddle");
  list = join(options.confDir, "10-heddle.conflist");
});

afterEach(() => rmSync(directory, { recursive: true }));

const foreign = expect.objectContaining({ code: "CNI_FILE_FOREIGN" });
const mode = (path: string) => statSync(path).mode & 0o777;

test("install writes an executable binary and a list that names it, and leaves nothing else", () => {
  expect(installCni({ ...options, network: "web" })).toEqual([
    { kind: "write", path: binary },
    { kind: "write", path: list },
  ]);
  expect([mode(binary), mode(list)]).toEqual([0o755, 0o644]);
  expect(JSON.parse(readFileSync(list, "utf8"))).toMatchObject({
    cniVersion: "1.0.0",
    cniVersions: ["0.4.0", "1.0.0", "1.1.0"],
    name: "web",
    plugins: [{ type: "heddle", network: "web", capabilities: { ips: true, mac: true } }],
  });
  expect(readdirSync(options.binDir)).toEqual(["heddle"]);
});

test("install again keeps what is right and mends what is not", () => {
  installCni(options);
  chmodSync(binary, 0o600);
  expect(installCni(options)).toEqual([
    { kind: "write", path: binary },
    { kind: "keep", path: list },
  ]);
  expect(mode(binary)).toBe(0o755);
});

test("install for another socket replaces the binary", () => {
  installCni(options);
  expect(installCni({ ...options, socketPath: "/run/other.sock" })).toContainEqual({
    kind: "write",
    path: binary,
  });
});

test.each(["heddle", "10-heddle.conflist"])(
  "a foreign %s is neither overwritten nor removed, nor is anything else done",
  (name) => {
    installCni(options);
    const path = name === "heddle" ? binary : list;
    const other = name === "heddle" ? list : binary;
    writeFileSync(path, '{"plugins":[{"type":"bridge"}]}');
    rmSync(other);
    expect(() => installCni(options)).toThrow(foreign);
    expect(() => uninstallCni(options)).toThrow(foreign);
    expect(existsSync(other)).toBe(false);
    expect(readFileSync(path, "utf8")).toContain("bridge");
  },
);

test("a list that an operator added to stays, the binary comes and goes", () => {
  installCni(options);
  const edited = JSON.parse(readFileSync(list, "utf8"));
  edited.plugins.push({ type: "portmap" });
  writeFileSync(list, JSON.stringify(edited));
  expect(installCni(options)).toContainEqual({ kind: "keep", path: list });
  expect(uninstallCni(options)).toEqual([
    { kind: "keep", path: list },
    { kind: "remove", path: binary },
  ]);
  expect(readFileSync(list, "utf8")).toContain("portmap");
});

test("a directory that cannot be made is an error with the path", () => {
  writeFileSync(join(directory, "file"), "");
  const blocked = { ...options, binDir: join(directory, "file", "bin") };
  expect(() => installCni(blocked)).toThrow(expect.objectContaining({ code: "FILES_DIRECTORY_FAILED" }));
});

test("uninstall removes exactly ours, and again is a success", () => {
  installCni(options);
  writeFileSync(join(options.confDir, "99-loopback.conf"), "{}");
  expect(uninstallCni(options)).toEqual([
    { kind: "remove", path: list },
    { kind: "remove", path: binary },
  ]);
  expect(uninstallCni(options)).toEqual([]);
  expect(readdirSync(options.confDir)).toEqual(["99-loopback.conf"]);
});

test("a dry run answers the same and changes nothing", () => {
  expect(installCni({ ...options, dryRun: true })).toHaveLength(2);
  expect(existsSync(options.binDir)).toBe(false);
  installCni(options);
  expect(uninstallCni({ ...options, dryRun: true })).toHaveLength(2);
  expect(existsSync(binary)).toBe(true);
});

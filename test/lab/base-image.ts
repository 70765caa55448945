/**
 * A base image for the project's Dockerfile, made of this machine's own programs with their libraries and of the
 * installed production packages: so the image builds where no registry can be reached.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { projectRoot } from "../rules/source-files.ts";
import { run } from "./command.ts";

const programs = [
  ..."sh cat cut env dirname head kill ln mkdir mount readlink rm sed sleep".split(" "),
  ..."curl haproxy nft nsenter unshare".split(" "),
];

/** Imports it into the engine at the socket. */
export function importBaseImage(socketPath: string, name: string): void {
  const root = mkdtempSync(join(tmpdir(), "heddle-base-"));
  try {
    for (const each of ["bin", "tmp", "run", "etc", "usr/local/bin", "var/lib", "proc", "sys"])
      mkdirSync(join(root, each), { recursive: true });
    for (const program of programs) copyProgram(root, program);
    for (const table of ["/etc/protocols", "/etc/services"]) cpSync(table, join(root, table));
    copyPackages(join(root, "opt/heddle"));
    run(["sh", "-ec", `tar -C ${root} -c . | docker -H unix://${socketPath} import - ${name}`], {
      timeoutMs: 120_000,
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function copyProgram(root: string, program: string): void {
  const path = run(["sh", "-c", `command -v ${program}`]).trim();
  const from = path.startsWith("/") ? path : `/bin/${program}`;
  cpSync(realpathSync(from), join(root, "bin", program));
  for (const library of librariesOf(from)) {
    const to = join(root, library);
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    cpSync(realpathSync(library), to);
  }
}

function librariesOf(path: string): readonly string[] {
  const { stdout } = spawnSync("ldd", [path], { encoding: "utf8" });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

/** What a production install has, and the Node that came with it. */
function copyPackages(to: string): void {
  const modules = realpathSync(join(projectRoot, "node_modules"));
  const home = dirname(modules);
  const list = ["npm", "ls", "--omit=dev", "--all", "--parseable"];
  const listed = run(["sh", "-c", `cd ${home} && ${list.join(" ")}`]).split("\n");
  for (const path of listed.filter((each) => each.startsWith(modules)))
    cpSync(path, join(to, relative(home, path)), { recursive: true });
  mkdirSync(join(to, "node_modules/.bin"), { recursive: true });
  const node = relative(join(modules, ".bin"), realpathSync(join(modules, ".bin/node")));
  symlinkSync(node, join(to, "node_modules/.bin/node"));
  for (const library of librariesOf(realpathSync(join(modules, ".bin/node")))) {
    const target = join(to, "../..", library);
    if (existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    cpSync(realpathSync(library), target);
  }
}

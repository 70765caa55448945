/**
 * nftables through nft(8), which speaks libnftables-json(5): one ruleset is one transaction of the kernel. A
 * run takes some 5 ms. The child inherits the namespace of the thread that spawns it, so it is spawned in one
 * synchronous stretch inside of the target namespace. It reads the ruleset from a file in memory: nft opens
 * /dev/stdin by name, which fails on the socket that Node gives a child for a pipe.
 */
import { spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { FabricError } from "../../errors/index.ts";
import { openMemoryFile } from "../libc/index.ts";
import type { RecentRuns } from "./recent-runs.ts";

export interface NftOptions {
  /** Program to run, default `nft` of PATH. */
  readonly program?: string;
  /** Default `nftTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Runs its action in the namespace the ruleset is for. */
  readonly withinNamespace: <T>(action: () => T) => T;
  /** Is told of each process. */
  readonly runs: RecentRuns;
}

export const nftTimeoutMs = 10_000;
/** A table with 100,000 elements is some 10 MB. */
export const nftOutputMaxBytes = 64 * 1024 * 1024;
const errorTextMax = 4096;
const notFound = /No such file or directory/;

/** @throws KERNEL_NFT_REFUSED with the words of nft, KERNEL_NFT_MISSING, KERNEL_NFT_TIMEOUT */
export async function applyRuleset(commands: readonly unknown[], options: NftOptions): Promise<void> {
  const result = await runNft(["-j", "-f", "-"], JSON.stringify({ nftables: commands }), options);
  if (result.status !== 0) throw refused("apply an nftables ruleset", result);
}

/** The table's objects; undefined when there is no such table. @throws as `applyRuleset` */
export async function listTable(
  family: string,
  name: string,
  options: NftOptions,
): Promise<readonly unknown[] | undefined> {
  const what = `list nftables table ${family} ${name}`;
  const result = await runNft(["-j", "list", "table", family, name], "", options);
  if (result.status !== 0 && notFound.test(result.error)) return undefined;
  if (result.status !== 0) throw refused(what, result);
  const objects = parse(what, result.output);
  return objects.filter((object) => !(typeof object === "object" && object !== null && "metainfo" in object));
}

function parse(what: string, text: string): readonly unknown[] {
  try {
    const document = JSON.parse(text) as { nftables?: unknown };
    if (Array.isArray(document.nftables)) return document.nftables;
  } catch (cause) {
    throw new FabricError("KERNEL_NFT_REFUSED", `${what}: nft wrote no JSON; is nftables older than 0.9.3?`, {
      cause,
    });
  }
  throw new FabricError("KERNEL_NFT_REFUSED", `${what}: nft wrote JSON without a ruleset`);
}

interface NftResult {
  readonly status: number | null;
  readonly output: string;
  readonly error: string;
}

function refused(what: string, { error, status }: NftResult): FabricError {
  const text = error.trim() || `it ended with status ${status}`;
  return new FabricError("KERNEL_NFT_REFUSED", `${what}: nft says: ${text}`, { details: { text, status } });
}

function start(program: string, args: readonly string[], input: string, options: NftOptions) {
  const stdin = openMemoryFile("nft-ruleset");
  try {
    writeAll(stdin, Buffer.from(input));
    const timeout = options.timeoutMs ?? nftTimeoutMs;
    return options.withinNamespace(() =>
      spawn(program, args, { stdio: [stdin, "pipe", "pipe"], timeout, killSignal: "SIGKILL" }),
    );
  } finally {
    closeSync(stdin);
  }
}

/** Leaves the file's position at its start for the child. */
function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
}

function runNft(args: readonly string[], input: string, options: NftOptions): Promise<NftResult> {
  const { program = "nft", timeoutMs = nftTimeoutMs } = options;
  return new Promise((resolve, reject) => {
    const child = start(program, args, input, options);
    const { pid } = child;
    if (pid !== undefined) options.runs.started(pid);
    const output: Buffer[] = [];
    let outputBytes = 0;
    let error = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > nftOutputMaxBytes) child.kill("SIGKILL");
      else output.push(chunk);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      error = (error + chunk.toString()).slice(0, errorTextMax);
    });
    child.on("error", (cause: NodeJS.ErrnoException) => reject(cannotStart(program, cause)));
    child.on("close", (status, signal) => {
      if (pid !== undefined) options.runs.ended(pid);
      if (outputBytes > nftOutputMaxBytes) reject(tooMuch(args));
      else if (signal === "SIGKILL") reject(tooSlow(args, timeoutMs));
      else resolve({ status, output: Buffer.concat(output).toString(), error });
    });
  });
}

function cannotStart(program: string, cause: NodeJS.ErrnoException): FabricError {
  const advice = cause.code === "ENOENT" ? "install the package nftables" : "check that it may be executed";
  return new FabricError("KERNEL_NFT_MISSING", `run ${program}: ${cause.code}; ${advice}`, { cause });
}

function tooSlow(args: readonly string[], timeoutMs: number): FabricError {
  return new FabricError(
    "KERNEL_NFT_TIMEOUT",
    `run nft ${args.join(" ")}: it was killed, after ${timeoutMs} ms or by somebody; look for another program that holds nftables`,
  );
}

function tooMuch(args: readonly string[]): FabricError {
  return new FabricError(
    "KERNEL_NFT_REFUSED",
    `run nft ${args.join(" ")}: it wrote more than ${nftOutputMaxBytes} bytes; make the table smaller`,
  );
}

/**
 * The plugin binary for this machine's architecture as bytes to write to a file. Why it is machine code made
 * here and not a script or a Node program: docs/decisions/004-cni-shim.md.
 */
import { FabricError } from "../../../errors/index.ts";
import { type CniErrorNumber, cniErrorNumbers, errorAnswer, successAnswer } from "../answer.ts";
import { newestCniVersion, versionResult } from "../version.ts";
import { arm64 } from "./arm64.ts";
import { assemble } from "./elf.ts";
import type { Architecture } from "./instruction.ts";
import {
  answerTimeoutSeconds,
  type CannedAnswers,
  requestBytesMax,
  shimProgram,
  shimSignature,
} from "./program.ts";
import { x86_64 } from "./x86-64.ts";

const architectures: ReadonlyMap<string, Architecture> = new Map([
  ["x64", x86_64],
  ["arm64", arm64],
]);

/** `sun_path` of unix(7) with its ending NUL. */
const socketPathBytesMax = 107;

export interface ShimOptions {
  /** Absolute path of the agent's CNI socket. */
  readonly socketPath: string;
  /** As `process.arch`; default this machine's. */
  readonly arch?: string;
}

/** True for a binary that `buildShim` of any version made: an ELF file that carries the signature. */
export function isShim(content: Uint8Array): boolean {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return bytes.subarray(1, 4).toString("latin1") === "ELF" && bytes.includes(shimSignature);
}

/** @throws CNI_SHIM_UNSUPPORTED for another architecture or a socket path that no unix socket can have */
export function buildShim({ socketPath, arch = process.arch }: ShimOptions): Uint8Array {
  const architecture = architectures.get(arch);
  if (!architecture) {
    throw new FabricError(
      "CNI_SHIM_UNSUPPORTED",
      `build the CNI plugin binary for ${arch}: only ${[...architectures.keys()].join(" and ")} are supported`,
    );
  }
  const bytes = Buffer.byteLength(socketPath);
  if (!socketPath.startsWith("/") || socketPath.includes("\0") || bytes > socketPathBytesMax) {
    throw new FabricError(
      "CNI_SHIM_UNSUPPORTED",
      `build the CNI plugin binary for socket ${JSON.stringify(socketPath)}: use an absolute path of at most ${socketPathBytesMax} bytes`,
    );
  }
  return assemble(shimProgram(socketPath, cannedAnswers(socketPath)), architecture);
}

function cannedAnswers(socketPath: string): CannedAnswers {
  const error = (code: CniErrorNumber, msg: string) =>
    errorAnswer({ cniVersion: newestCniVersion, code, msg });
  const noAgent = `reach the Heddle agent at ${socketPath}: it is not running; start it with \`heddle up\` or \`heddle agent\``;
  return {
    version: successAnswer(versionResult(newestCniVersion)),
    status: error(cniErrorNumbers.unavailable, noAgent),
    noAgent: error(cniErrorNumbers.tryAgainLater, noAgent),
    noAnswer: error(
      cniErrorNumbers.tryAgainLater,
      `ask the Heddle agent at ${socketPath}: no answer within ${answerTimeoutSeconds} s, or it ended; try again and see its log`,
    ),
    tooLarge: error(
      cniErrorNumbers.undecodable,
      `pass the call to the Heddle agent: CNI variables and configuration are larger than ${requestBytesMax} bytes; make them smaller`,
    ),
    brokenInput: error(
      cniErrorNumbers.inputOutput,
      "read the configuration from standard input: the read failed",
    ),
  };
}

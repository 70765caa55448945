/** How a failure is told: one sentence (or one JSON object) on standard error, and a status that scripts can tell apart. */
import { type ErrorCode, FabricError, isFabricError } from "../errors/index.ts";

const usage: readonly ErrorCode[] = [
  "CLI_USAGE",
  "DAEMON_OPTION_INVALID",
  "DAEMON_INSECURE",
  "DAEMON_TLS_FAILED",
  "STORE_UNKNOWN_ENGINE",
  "IPAM_NETWORK_INVALID",
  "DNS_INVALID_OPTION",
  "ADDR_INVALID_IP",
  "ADDR_INVALID_CIDR",
  "ADDR_INVALID_MAC",
  "ADDR_INVALID_NAME",
];
const unreachable: readonly ErrorCode[] = ["API_UNREACHABLE", "CONTROL_UNAVAILABLE", "DNS_QUERY_FAILED"];
const notFound: readonly ErrorCode[] = ["CLI_NOT_FOUND", "IPAM_NETWORK_NOT_FOUND", "IPAM_NODE_NOT_FOUND"];

/** 1 failed, 2 wrong use, 3 cannot be reached, 4 not found. */
export function exitStatusOf(error: unknown): number {
  if (!(error instanceof FabricError)) return 1;
  if (usage.includes(error.code)) return 2;
  if (unreachable.includes(error.code)) return 3;
  return notFound.includes(error.code) ? 4 : 1;
}

export function reportError(thrown: unknown, json: boolean): void {
  const error = isRefusal(thrown) ? permissionError(thrown) : thrown;
  if (isFabricError(error)) {
    process.stderr.write(
      json ? `${JSON.stringify({ error })}\n` : `heddle: ${error.message} [${error.code}]\n`,
    );
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(
      json ? `${JSON.stringify({ error: { message: text } })}\n` : `heddle: unexpected: ${text}\n`,
    );
  }
}

function isRefusal(error: unknown): error is NodeJS.ErrnoException {
  const errno = error instanceof Error && !isFabricError(error) && "code" in error ? error.code : undefined;
  return errno === "EACCES" || errno === "EPERM";
}

/** Of a system call that no module expected to be refused. */
function permissionError(cause: NodeJS.ErrnoException): FabricError {
  return new FabricError("CLI_PERMISSION", `${cause.message}; run this as root`, { cause });
}

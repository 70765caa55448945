/**
 * Errors across the wire. A FabricError travels whole (code, message, details) as JSON in the trailing metadata
 * and is a FabricError of the same code again on the other side; what is not ours becomes CONTROL_INTERNAL and
 * keeps its text to the server's log.
 */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { type ErrorCode, errorCodes, FabricError, isFabricError } from "../errors/index.ts";

const metadataKey = "heddle-error-bin";
/** HTTP/2 header blocks are small: a message is cut and details are left out beyond. */
const errorMaxBytes = 4096;

export interface WireStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

export function encodeError(error: FabricError): string {
  const text = JSON.stringify(error);
  if (Buffer.byteLength(text) <= errorMaxBytes) return text;
  return JSON.stringify({
    code: error.code,
    message: error.message.slice(0, errorMaxBytes / 4),
    details: {},
  });
}

/** What an unknown error becomes for a stranger. */
export function asFabricError(error: unknown): FabricError {
  if (isFabricError(error)) return error;
  return new FabricError(
    "CONTROL_INTERNAL",
    "serve a request: the server failed; see its log for the cause",
    {
      cause: error,
    },
  );
}

export function toWireStatus(error: unknown): WireStatus {
  const fabricError = asFabricError(error);
  const metadata = new Metadata();
  metadata.set(metadataKey, Buffer.from(encodeError(fabricError)));
  const internal = fabricError.code === "CONTROL_INTERNAL";
  return {
    code: internal ? status.INTERNAL : status.FAILED_PRECONDITION,
    details: fabricError.code,
    metadata,
  };
}

/** The error that was encoded, or undefined if the text is not one or of a version that we do not know. */
export function decodeError(text: string, cause?: unknown): FabricError | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { code, message, details } = value as Record<string, unknown>;
    if (typeof code !== "string" || !Object.hasOwn(errorCodes, code) || typeof message !== "string")
      return undefined;
    const known = typeof details === "object" && details !== null ? (details as Record<string, unknown>) : {};
    return new FabricError(code as ErrorCode, message, { details: known, cause });
  } catch {
    return undefined;
  }
}

/** What a failed call or stream means to its caller. `action` as in `claim block of network "web"`. */
export function fromServiceError(error: ServiceError, action: string, server: string): FabricError {
  const [bytes] = error.metadata?.get(metadataKey) ?? [];
  const carried = bytes === undefined ? undefined : decodeError(bytes.toString(), error);
  if (carried) return carried;
  const details = { server, grpcStatus: error.code };
  if (error.code === status.DEADLINE_EXCEEDED) {
    return new FabricError(
      "CONTROL_TIMEOUT",
      `${action}: server ${server} did not answer in time; try again`,
      {
        cause: error,
        details,
      },
    );
  }
  if (error.code === status.RESOURCE_EXHAUSTED) {
    return new FabricError("CONTROL_LIMIT", `${action}: ${error.details}; ask for less at a time`, {
      cause: error,
      details,
    });
  }
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `${action}: server ${server} cannot be reached (${error.details}); it is tried again by itself`,
    { cause: error, details },
  );
}

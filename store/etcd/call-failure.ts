/**
 * What a failed call means. The question that counts for a write: is it certain that nothing happened?
 *
 * Always holds: `unknown` unless etcd itself said so before it proposed the write. A time-out, a lost connection, a
 * changed leader or a stopping server may each have let it through.
 * Source: etcd's api/v3rpc/rpctypes/error.go.
 */
import { type ServiceError, status } from "@grpc/grpc-js";
import { FabricError } from "../../errors/index.ts";

export type Verdict =
  /** Nothing happened, and no other member would do it. */
  | { readonly kind: "refused"; readonly error: FabricError }
  /** Nothing happened; another member may do it. */
  | { readonly kind: "elsewhere" }
  /** Nothing happened; with a new token it may. */
  | { readonly kind: "token" }
  | { readonly kind: "unknown" };

export function judge(error: ServiceError, action: string): Verdict {
  const text = error.details;
  const refused = (code: "STORE_LIMIT" | "STORE_DENIED" | "STORE_UNAVAILABLE", advice: string): Verdict => ({
    kind: "refused",
    error: new FabricError(code, `${action}: ${text}; ${advice}`, { cause: error }),
  });
  // Of grpc-js itself: the answer was there, what it said is lost.
  if (!text.startsWith("etcdserver:") && error.code === status.RESOURCE_EXHAUSTED) {
    return text.startsWith("grpc:") ? refused("STORE_LIMIT", "write less at once") : { kind: "unknown" };
  }
  switch (error.code as number) {
    case status.UNAUTHENTICATED:
      return { kind: "token" };
    case status.PERMISSION_DENIED:
      return refused("STORE_DENIED", "grant the user the prefix");
    case status.NOT_FOUND:
      if (!text.includes("lease not found")) return refused("STORE_UNAVAILABLE", "see etcd's log");
      return {
        kind: "refused",
        error: new FabricError("STORE_LEASE_NOT_FOUND", `${action}: the lease has ended; grant a new one`, {
          cause: error,
        }),
      };
    case status.INVALID_ARGUMENT:
      if (text.includes("auth store is old")) return { kind: "token" };
      if (text.includes("too large") || text.includes("too many operations"))
        return refused("STORE_LIMIT", "write less at once, or raise etcd's own limit");
      if (text.includes("user name") || text.includes("authentication"))
        return refused("STORE_DENIED", "check --store-user and --store-secret");
      return refused("STORE_UNAVAILABLE", "see etcd's log");
    case status.RESOURCE_EXHAUSTED:
      if (text.includes("too many requests")) return { kind: "elsewhere" };
      return refused("STORE_LIMIT", "compact and defragment etcd, raise its quota, then disarm its alarm");
    case status.UNIMPLEMENTED:
    case status.FAILED_PRECONDITION:
    case status.OUT_OF_RANGE:
    case status.ALREADY_EXISTS:
      return refused("STORE_UNAVAILABLE", "see etcd's log");
    case status.UNAVAILABLE:
      return text === "etcdserver: no leader" ? { kind: "elsewhere" } : { kind: "unknown" };
    default:
      return { kind: "unknown" };
  }
}

export function ambiguous(action: string, member: string, cause: ServiceError): FabricError {
  return new FabricError(
    "STORE_AMBIGUOUS",
    `${action}: ${member} did not say whether it happened (${cause.details}); look at what is there before you write again`,
    { cause, details: { member } },
  );
}

export function unavailable(action: string, why: string, cause?: unknown): FabricError {
  return new FabricError(
    "STORE_UNAVAILABLE",
    `${action}: ${why}; check the store's members and the way to them`,
    {
      cause,
    },
  );
}

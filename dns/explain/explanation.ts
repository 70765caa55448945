/** Why a question is answered as it is. All of it is JSON-safe. */
import type { Ip } from "../../addr/index.ts";
import type { FailingCheck, InstanceStatus, Verdict } from "../resolver/index.ts";
import type { Lookup } from "./observed-catalog.ts";
import type { ParsedName } from "./parsed-name.ts";

export interface ExplainQuestion {
  readonly name: string;
  readonly type: number;
  /** Who asks. */
  readonly client: Ip;
  readonly transport: "udp" | "tcp";
  /** What the client says it takes; 0: it does not speak EDNS. */
  readonly ednsBytes: number;
}

export interface ExplainedInstance {
  readonly node: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly status: InstanceStatus;
  /** `subset`: it may be named, and another client is given it. */
  readonly verdict: Verdict | "subset";
  readonly failing: readonly FailingCheck[];
}

export interface ExplainedChoice {
  /** Those that were asked for, whatever became of them. */
  readonly instances: readonly ExplainedInstance[];
  readonly panic: boolean;
  readonly panicThreshold: number;
}

export interface Explanation {
  readonly question: {
    readonly name: string;
    readonly type: string;
    readonly client: string;
    readonly transport: string;
    readonly ednsBytes: number;
  };
  readonly parsed: ParsedName;
  /** What was read of the catalog, in order. */
  readonly lookups: readonly Lookup[];
  /** How far behind the servers this node's knowledge may be; absent while it is current. */
  readonly staleForMs?: number;
  /** Each choice among instances that was made. */
  readonly choices: readonly ExplainedChoice[];
  readonly path: {
    readonly kind: "own" | "forwarded" | "refused" | "failed";
    /** Names that were asked elsewhere, with the time that took. */
    readonly forwards: readonly {
      readonly name: string;
      readonly tookMs: number;
      readonly failed: boolean;
    }[];
    /** The reply is among the ready ones now, from which the fast path answers. */
    readonly ready: boolean;
  };
  readonly ttl: { readonly seconds: number; readonly reason: string };
  readonly order: string;
  readonly size: {
    readonly wholeBytes: number;
    readonly limitBytes: number;
    readonly limitReason: string;
    readonly answers: number;
    readonly answersSent: number;
    readonly truncated: boolean;
  };
  readonly reply: {
    readonly rcode: string;
    /** `answer`, or which kind of no. */
    readonly outcome: "answer" | "nodata" | "nxdomain" | "servfail" | "refused" | "other";
    readonly meaning: string;
    /** As in a zone file, in one order of those possible. */
    readonly answers: readonly string[];
    readonly authorities: readonly string[];
    readonly additionals: readonly string[];
  };
}

/**
 * The members as one: a call goes to the member that worked last, then to the others, until its time is over.
 *
 * Always holds: a call that is not `repeatable` is sent at most once more than etcd itself refused it: when its fate
 * is unknown it ends with STORE_AMBIGUOUS; no member is asked before it named the cluster that was met first and a
 * leader; every call has a time limit.
 */
import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { storeClosed } from "../core/state-store.ts";
import { ambiguous, judge, unavailable } from "./call-failure.ts";
import { type Call, calls } from "./calls.ts";
import type { EtcdLimits } from "./limits.ts";
import { Member } from "./member.ts";
import { AuthenticateRequestSchema, StatusRequestSchema } from "./proto/gen/etcd_pb.ts";

export interface ClusterOptions {
  /** `HOST:PORT`, in order of preference. */
  readonly addresses: readonly string[];
  readonly credentials: ChannelCredentials;
  readonly user?: { readonly name: string; readonly password: string };
  readonly clock: Clock;
  readonly limits: EtcdLimits;
  readonly pendingMax: number;
}

export interface CallOptions {
  /** For messages: "range \"a\"". */
  readonly action: string;
  /** Doing it twice does no harm. */
  readonly repeatable: boolean;
}

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #members: readonly Member[];
  #first = 0;
  #clusterId: bigint | undefined;
  #token: Promise<string> | undefined;
  #pending = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#members = options.addresses.map(
      (address) => new Member(address, options.credentials, options.limits),
    );
  }

  get clusterId(): string {
    return (this.#clusterId ?? 0n).toString(16);
  }

  /** @throws STORE_UNAVAILABLE, STORE_AMBIGUOUS, STORE_DENIED, STORE_LIMIT, STORE_LEASE_NOT_FOUND, STORE_CORRUPT */
  async call<Input, Output>(
    call: Call<Input, Output>,
    message: Input,
    { action, repeatable }: CallOptions,
  ): Promise<Output> {
    const { limits, pendingMax } = this.#options;
    if (this.#pending >= pendingMax) {
      throw new FabricError(
        "STORE_UNAVAILABLE",
        `${action}: ${this.#pending} calls wait for the store; try again later`,
        { details: { limit: "pendingTxnsMax", max: pendingMax } },
      );
    }
    this.#pending++;
    try {
      return await this.onSomeMember(action, limits.requestTimeoutMs, async (member, leftMs) => {
        const timeoutMs = repeatable ? Math.min(leftMs, limits.attemptTimeoutMs) : leftMs;
        return this.#attempt(member, call, message, { action, repeatable }, timeoutMs);
      });
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#idle?.();
    }
  }

  /**
   * Tries members, connected and admitted, until `use` answers something. `use` answers undefined for a member that
   * failed without harm.
   */
  async onSomeMember<Result>(
    action: string,
    timeoutMs: number,
    use: (member: Member, leftMs: number) => Promise<Result | undefined>,
  ): Promise<Result> {
    const { clock, limits } = this.#options;
    const endMs = clock.monotonicMs() + timeoutMs;
    let waitMs = limits.retryMinMs;
    let last: unknown;
    for (;;) {
      for (const member of this.inOrder()) {
        if (this.#closed) throw storeClosed(action);
        const leftMs = endMs - clock.monotonicMs();
        if (leftMs <= 0) {
          const why = last instanceof Error ? ` (${last.message})` : "";
          throw unavailable(action, `no member answered within ${timeoutMs} ms${why}`, last);
        }
        try {
          await this.admit(member, Math.min(leftMs, limits.connectTimeoutMs));
        } catch (error) {
          if (error instanceof FabricError && error.code !== "STORE_UNAVAILABLE") throw error;
          last = error;
          this.failed(member);
          continue;
        }
        const result = await use(member, Math.max(1, endMs - clock.monotonicMs()));
        if (result !== undefined) {
          this.#first = this.#members.indexOf(member);
          return result;
        }
        this.failed(member);
      }
      await clock.sleep(waitMs);
      waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
    }
  }

  /** The one that worked last first, those that failed lately last. */
  inOrder(): readonly Member[] {
    const nowMs = this.#options.clock.monotonicMs();
    const ring = [...this.#members.slice(this.#first), ...this.#members.slice(0, this.#first)];
    const isPenalised = ({ penaltyUntilMs }: Member) => Number(penaltyUntilMs > nowMs);
    return ring.toSorted((a, b) => isPenalised(a) - isPenalised(b));
  }

  failed(member: Member): void {
    member.admitted = false;
    member.penaltyUntilMs = this.#options.clock.monotonicMs() + this.#options.limits.memberPenaltyMs;
  }

  /** Connected, of our cluster, and with a leader. Rejects if not. @throws STORE_CORRUPT, STORE_DENIED */
  async admit(member: Member, timeoutMs: number): Promise<void> {
    await member.ready(timeoutMs);
    if (member.admitted) return;
    const status = await member.unary(calls.status, create(StatusRequestSchema), new Metadata(), timeoutMs);
    const clusterId = status.header?.clusterId ?? 0n;
    this.#clusterId ??= clusterId;
    if (clusterId !== this.#clusterId) {
      throw new FabricError(
        "STORE_CORRUPT",
        `reach etcd at ${member.address}: it belongs to another cluster (${clusterId.toString(16)}) than the members before it (${this.clusterId}); name members of one cluster`,
        { details: { member: member.address } },
      );
    }
    if (status.leader === 0n) throw unavailable(`reach etcd at ${member.address}`, "it has no leader");
    member.admitted = true;
  }

  /** What every call carries: the token, and that a member without a leader must not answer. */
  async metadata(member: Member): Promise<Metadata> {
    const metadata = new Metadata();
    metadata.set("hasleader", "true");
    if (this.#options.user) metadata.set("token", await this.#authenticated(member));
    return metadata;
  }

  /** The token is no longer good. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** Waits for the calls under way. */
  async close(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#closed = true;
    for (const member of this.#members) member.close();
  }

  async #attempt<Input, Output>(
    member: Member,
    call: Call<Input, Output>,
    message: Input,
    { action, repeatable }: CallOptions,
    timeoutMs: number,
  ): Promise<Output | undefined> {
    for (let tokens = 0; ; tokens++) {
      try {
        const metadata = await this.metadata(member);
        return await member.unary(call, message, metadata, timeoutMs);
      } catch (error) {
        if (error instanceof FabricError) throw error;
        const failure = error as ServiceError;
        const verdict = judge(failure, action);
        switch (verdict.kind) {
          case "refused":
            throw verdict.error;
          case "elsewhere":
            return undefined;
          case "token":
            if (!this.#options.user || tokens > 0) throw denied(action, failure);
            this.forgetToken();
            break;
          case "unknown":
            this.failed(member);
            if (!repeatable) throw ambiguous(action, member.address, failure);
            return undefined;
          default:
            return verdict satisfies never;
        }
      }
    }
  }

  #authenticated(member: Member): Promise<string> {
    const { user, limits } = this.#options;
    if (this.#token) return this.#token;
    const { name = "", password = "" } = user ?? {};
    const token = member
      .unary(
        calls.authenticate,
        create(AuthenticateRequestSchema, { name, password }),
        new Metadata(),
        limits.attemptTimeoutMs,
      )
      .then((answer) => answer.token)
      .catch((error: ServiceError) => {
        this.#token = undefined;
        const verdict = judge(error, `log in to etcd as "${name}"`);
        throw verdict.kind === "refused"
          ? verdict.error
          : unavailable(`log in to etcd as "${name}"`, error.details, error);
      });
    this.#token = token;
    return token;
  }
}

function denied(action: string, cause: ServiceError): FabricError {
  return new FabricError(
    "STORE_DENIED",
    `${action}: ${cause.details}; check --store-user and --store-secret`,
    { cause },
  );
}

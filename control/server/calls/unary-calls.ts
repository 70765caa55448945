/**
 * The calls beside the stream: claims, and requests to the HTTP API that were made on another node. Each call
 * names its node; calls under way are counted by node and in all, and end when their caller gives up.
 */
import { create } from "@bufbuild/protobuf";
import { type Cidr, parseCidr, parseIp } from "../../../addr/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { BlockClaim, StaticClaim } from "../../../ipam/index.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../../control-service.ts";
import { filterHeaders, type HttpHandler, requestHeaders } from "../../http-exchange.ts";
import {
  ClaimReplySchema,
  HelloSchema,
  HttpResponseSchema,
  ReleaseReplySchema,
  type ReleaseRequest,
} from "../../proto/gen/fabric_pb.ts";
import { nodeRecordOf, readHello } from "../session/read-hello.ts";
import type { CallCount } from "./call-count.ts";
import type { PoolService } from "./pool-service.ts";

export interface UnaryContext {
  readonly pools: PoolService;
  readonly http: HttpHandler;
  readonly datacenter: string;
  readonly calls: CallCount;
}

type Work<Name extends UnaryName> = (
  request: UnaryInput<Name>,
  signal: AbortSignal,
) => Promise<UnaryOutput<Name>>;

export type UnaryCalls = { readonly [Name in UnaryName]: Work<Name> };

export function unaryCalls({ pools, http, datacenter, calls }: UnaryContext): UnaryCalls {
  const counted =
    <Name extends UnaryName>(work: Work<Name>): Work<Name> =>
    async (request, signal) => {
      calls.enter(request.node);
      try {
        return await work(request, signal);
      } finally {
        calls.leave(request.node);
      }
    };
  return {
    claimBlock: counted<"claimBlock">(async ({ node, epoch, network, pool, held, within }) => {
      const request = {
        network,
        pool: parseCidr(pool),
        held: held.map((text) => parseCidr(text)),
        ...(within !== "" && { within: parseCidr(within) }),
      };
      return claimReply(await pools.claimBlock(node, Number(epoch), request));
    }),
    claimStatic: counted<"claimStatic">(async ({ node, epoch, network, ip, containerId, ifname }) => {
      const request = { network, ip: parseIp(ip), owner: { containerId, ifname } };
      return claimReply(await pools.claimStatic(node, Number(epoch), request));
    }),
    releaseBlock: counted<"releaseBlock">(async (request) => {
      const claim = readClaim<BlockClaim>(request, ["cidr"]);
      await pools.releaseBlock({ ...claim, cidr: parseCidr(claim.cidr) satisfies Cidr });
      return create(ReleaseReplySchema);
    }),
    releaseStatic: counted<"releaseStatic">(async (request) => {
      const claim = readClaim<StaticClaim>(request, ["ip"]);
      await pools.releaseStatic({ ...claim, ip: parseIp(claim.ip) });
      return create(ReleaseReplySchema);
    }),
    relinquish: counted<"relinquish">(async ({ node, epoch }) => {
      await pools.relinquish(node, Number(epoch));
      return create(ReleaseReplySchema);
    }),
    restate: counted<"restate">(async ({ node, hello, statement }) => {
      const agent = readHello(hello ?? create(HelloSchema));
      if (agent.name !== node) throw strangeStatement(node);
      await pools.restate(node, statement, nodeRecordOf(agent, datacenter, Number(hello?.epoch ?? 0)));
      return create(ReleaseReplySchema);
    }),
    http: counted<"http">(async ({ node, method, target, headers, body }, signal) => {
      const request = { node, method, target, headers: filterHeaders(headers, requestHeaders), body };
      const response = await http(request, signal);
      return create(HttpResponseSchema, { ...response, headers: [...response.headers] });
    }),
  };
}

function strangeStatement(node: string): FabricError {
  return new FabricError(
    "CONTROL_PROTOCOL",
    `take down what node "${node}" holds: the hello in it names another node; bring agent and server to the same release`,
  );
}

function claimReply(claim: BlockClaim | StaticClaim) {
  return create(ClaimReplySchema, { claim: JSON.stringify(claim) });
}

/** A claim comes back as it was given; only its own node may return it, and only in its term. */
function readClaim<Claim extends BlockClaim | StaticClaim>(
  { node, epoch, claim: text }: ReleaseRequest,
  texts: readonly (keyof Claim)[],
): Claim {
  let claim: Partial<Claim> | null;
  try {
    claim = JSON.parse(text) as Partial<Claim> | null;
  } catch {
    claim = null;
  }
  const keys: readonly (keyof Claim)[] = [...texts, "network", "pool", "node"];
  if (typeof claim !== "object" || claim === null || keys.some((key) => typeof claim[key] !== "string")) {
    throw new FabricError(
      "CONTROL_PROTOCOL",
      `release claim of node "${node}": it cannot be read; bring agent and server to the same release`,
    );
  }
  if (claim.node !== node || claim.epoch !== Number(epoch)) {
    throw new FabricError(
      "CONTROL_STALE_EPOCH",
      `release claim of node "${node}" in epoch ${epoch}: it was given to node "${claim.node}" in epoch ${claim.epoch}; only its holder returns it`,
      { details: { node, epoch: Number(epoch) } },
    );
  }
  return claim as Claim;
}

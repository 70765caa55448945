/** ipam's `BlockSource` over the control stream: networks from the `fabric` view, claims by unary calls in the node's current term. */
import { create } from "@bufbuild/protobuf";
import { FabricError } from "../../errors/index.ts";
import {
  type BlockClaim,
  type BlockSource,
  ipamKeys,
  type NetworkRecord,
  type StaticClaim,
} from "../../ipam/index.ts";
import {
  ClaimBlockRequestSchema,
  ClaimStaticRequestSchema,
  ReleaseRequestSchema,
  RelinquishRequestSchema,
} from "../proto/gen/fabric_pb.ts";
import type { ControlClient } from "./control-client.ts";
import type { ViewHandle } from "./view-handle.ts";

/** `fabric` is the handle of the `fabric` view; it must stay open. */
export function controlBlockSource(client: ControlClient, fabric: ViewHandle): BlockSource {
  const term = () => ({ node: client.node.name, epoch: BigInt(client.state.welcome?.epoch ?? 0) });
  return {
    network: (name) => fabric.items.get(ipamKeys.network(name)) as NetworkRecord | undefined,
    async claimBlock({ network, pool, held, within = "" }) {
      const action = `claim block of network "${network}"`;
      const request = create(ClaimBlockRequestSchema, { ...term(), network, pool, held: [...held], within });
      return readClaim<BlockClaim>((await client.call("claimBlock", request, { action })).claim, action);
    },
    async claimStatic({ network, ip, owner }) {
      const action = `claim ${ip} of network "${network}"`;
      const request = create(ClaimStaticRequestSchema, { ...term(), network, ip, ...owner });
      return readClaim<StaticClaim>((await client.call("claimStatic", request, { action })).claim, action);
    },
    async releaseBlock(claim) {
      const action = `release block ${claim.cidr} of network "${claim.network}"`;
      await client.call("releaseBlock", release(claim), { action });
    },
    async releaseStatic(claim) {
      const action = `release ${claim.ip} of network "${claim.network}"`;
      await client.call("releaseStatic", release(claim), { action });
    },
  };
}

/** Tells the servers that nothing of an earlier term is in use on this node. */
export async function relinquishTerm(client: ControlClient, epoch: number): Promise<void> {
  const request = create(RelinquishRequestSchema, { node: client.node.name, epoch: BigInt(epoch) });
  await client.call("relinquish", request, { action: `relinquish epoch ${epoch}` });
}

function release(claim: BlockClaim | StaticClaim) {
  return create(ReleaseRequestSchema, {
    node: claim.node,
    epoch: BigInt(claim.epoch),
    claim: JSON.stringify(claim),
  });
}

function readClaim<Claim>(text: string, action: string): Claim {
  try {
    return JSON.parse(text) as Claim;
  } catch (cause) {
    throw new FabricError(
      "CONTROL_PROTOCOL",
      `${action}: the answer cannot be read; bring agent and server to the same release`,
      {
        cause,
      },
    );
  }
}

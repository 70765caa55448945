/** `heddle ipam show`: how full the pools are, which node holds which blocks, and the addresses of this node. */
import type { ApiClient } from "../../api/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { PoolUse } from "../../ipam/index.ts";
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

export async function show(network: string | undefined, options: RemoteOptions): Promise<void> {
  const client = connect(options);
  const [pools, all] = await Promise.all([poolsIfKnown(client, network), client.leases()]);
  const leases = all.filter((lease) => network === undefined || lease.network === network);
  print(options, { pools, leases }, () => {
    const use = table(
      ["NETWORK", "POOL", "ADDRESSES", "BLOCKS", "CLAIMED", "NODES"],
      pools.map(({ network: name, pool, size, blocks, blockPrefix, blocksClaimed, byNode }) => [
        name,
        pool,
        size,
        `${blocks} × /${blockPrefix}`,
        blocksClaimed,
        byNode.map((holder) => `${holder.node}:${holder.blocks.length}`).join(" "),
      ]),
    );
    if (leases.length === 0) return `${use}\n\nno container of this node has an address`;
    const held = table(
      ["ADDRESS", "NETWORK", "CONTAINER", "INTERFACE", "SINCE"],
      leases.map(({ ip, network: name, owner, allocatedAtMs }) => [
        ip,
        name,
        owner.containerId.slice(0, 12),
        owner.ifname,
        new Date(allocatedAtMs).toISOString(),
      ]),
    );
    return `${use}\n\n${held}`;
  });
}

/** The pools are the servers' to tell; without one the node's own addresses are still shown. */
async function poolsIfKnown(client: ApiClient, network: string | undefined): Promise<readonly PoolUse[]> {
  try {
    return await client.poolUse(network);
  } catch (error) {
    if (!isFabricError(error, "CONTROL_UNAVAILABLE")) throw error;
    process.stderr.write(`heddle: ${error.message}; only the addresses of this node are shown\n`);
    return [];
  }
}

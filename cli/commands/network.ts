/** `heddle network create | ls | rm`. */

import { FabricError } from "../../errors/index.ts";
import type { NetworkSpec } from "../../ipam/index.ts";
import { connect } from "../connection.ts";
import { type RemoteOptions, wholeNumber } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

interface CreateOptions extends RemoteOptions {
  readonly pool: readonly string[];
  readonly backend: "auto" | "direct" | "vxlan";
  readonly blockPrefix?: readonly string[];
  readonly mtu?: string;
  readonly masquerade: boolean;
  readonly policy: "isolated" | "open" | "internal";
}

export async function create(name: string, options: CreateOptions): Promise<void> {
  const network = await connect(options).createNetwork(specOf(name, options));
  print(
    options,
    network,
    () =>
      `network ${network.name}: ${network.pools.map(({ cidr, blockPrefix }) => `${cidr} in blocks of /${blockPrefix}`).join(", ")}`,
  );
}

export async function list(options: RemoteOptions): Promise<void> {
  const networks = await connect(options).networks();
  print(options, networks, () =>
    table(
      ["NAME", "POOLS", "BLOCKS", "BACKEND", "MTU", "MASQUERADE", "POLICY"],
      networks.map(({ name, pools, backend, mtu, masquerade, policy }) => [
        name,
        pools.map(({ cidr }) => cidr).join(" "),
        pools.map(({ blockPrefix }) => `/${blockPrefix}`).join(" "),
        backend,
        mtu,
        masquerade ? "yes" : "no",
        policy,
      ]),
    ),
  );
}

interface RemoveOptions extends RemoteOptions {
  readonly force?: boolean;
}

export async function remove(name: string, options: RemoveOptions): Promise<void> {
  await connect(options).deleteNetwork(name, { force: options.force ?? false });
  print(options, { removed: name }, () => `network ${name} is removed`);
}

function specOf(
  name: string,
  { pool, backend, blockPrefix = [], mtu, masquerade, policy }: CreateOptions,
): NetworkSpec {
  if (blockPrefix.length > 0 && blockPrefix.length !== pool.length) {
    throw new FabricError(
      "CLI_USAGE",
      `create network ${JSON.stringify(name)}: ${pool.length} pools and ${blockPrefix.length} block prefixes; give one --block-prefix for each pool, or none`,
    );
  }
  const pools = pool.map((cidr, i) => {
    const length = blockPrefix[i];
    return length === undefined
      ? { cidr }
      : { cidr, blockPrefix: wholeNumber("--block-prefix", length, 0, 128) };
  });
  return {
    name,
    pools,
    backend,
    masquerade,
    policy,
    ...(mtu !== undefined && { mtu: wholeNumber("--mtu", mtu, 1, 65_535) }),
  };
}

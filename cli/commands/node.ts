/** `heddle node ls | forget | revoke`. */
import { connect, connectServer } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

export async function list(options: RemoteOptions): Promise<void> {
  const nodes = await connect(options).nodes();
  print(options, nodes, () =>
    table(
      ["NODE", "ALIVE", "ADDRESS", "ZONE", "EPOCH"],
      nodes.map(({ name, alive, underlay, address, zone, epoch }) => [
        name,
        alive ? "yes" : "no",
        underlay.join(" ") || address,
        zone,
        epoch,
      ]),
    ),
  );
}

export async function forget(
  name: string,
  options: RemoteOptions & { readonly force?: boolean },
): Promise<void> {
  await connect(options).forgetNode(name, { force: options.force ?? false });
  const when = options.force ? "its addresses are free" : "its addresses are free when its time is over";
  print(options, { forgotten: name }, () => `node ${name} is forgotten: ${when}`);
}

export async function revoke(name: string, options: RemoteOptions): Promise<void> {
  await connectServer(options).revokeNode(name);
  print(
    options,
    { revoked: name },
    () => `node ${name} is out: a token of \`heddle token create --node ${name}\` lets it in again`,
  );
}

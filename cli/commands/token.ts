/** `heddle token create | ls | rm`: what lets nodes in. At a server's socket, so on its host only. */
import { connectServer } from "../connection.ts";
import { duration, type RemoteOptions, wholeNumber } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

interface CreateOptions extends RemoteOptions {
  readonly node?: string;
  readonly readmit?: boolean;
  readonly uses: string;
  readonly ttl: string;
}

export async function create(options: CreateOptions): Promise<void> {
  const token = await connectServer(options).createToken({
    uses: wholeNumber("--uses", options.uses, 1, 10_000),
    ttlMs: duration("--ttl", options.ttl),
    ...(options.node !== undefined && { node: options.node }),
    ...(options.readmit && { readmits: true }),
  });
  const { usesLeft, expiresAtMs, node } = token;
  const whom = node === undefined ? `${usesLeft} ${usesLeft === 1 ? "node" : "nodes"}` : `node ${node}`;
  print(
    options,
    token,
    () =>
      `${token.token}\n\nIt lets ${whom} in until ${timeOf(expiresAtMs)}, and is shown this once:\n  heddle agent --server HOST:8502 --join-token TOKEN`,
  );
}

export async function list(options: RemoteOptions): Promise<void> {
  const tokens = await connectServer(options).tokens();
  print(options, tokens, () =>
    table(
      ["ID", "NODE", "USES LEFT", "UNTIL"],
      tokens.map(({ id, node, readmits, usesLeft, expiresAtMs }) => [
        id,
        node ?? (readmits ? "any, also known ones" : "any"),
        usesLeft,
        timeOf(expiresAtMs),
      ]),
    ),
  );
}

export async function remove(id: string, options: RemoteOptions): Promise<void> {
  await connectServer(options).removeToken(id);
  print(options, { removed: id }, () => `token ${id} lets nobody in any more`);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

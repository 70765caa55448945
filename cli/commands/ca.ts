/** `heddle ca show | status | rotate | reset`: the authority that signs the certificates of the fabric. */
import { FabricError } from "../../errors/index.ts";
import { connect, connectServer } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

export async function show(options: RemoteOptions): Promise<void> {
  const roots = await connect(options).authorities();
  print(options, roots, () => roots.Roots.map(({ RootCert }) => RootCert.trim()).join("\n"));
}

export async function status(options: RemoteOptions): Promise<void> {
  const found = await connectServer(options).authorityStatus();
  const { step, authorities, nodes, waitsFor, stepUntilMs } = found;
  print(options, found, () => {
    const shown = table(
      ["AUTHORITY", "ROLE", "UNTIL"],
      authorities.map(({ fingerprint, role, untilMs }) => [fingerprint, role, timeOf(untilMs)]),
    );
    const told = {
      steady: "steady",
      distributing: "the next one is made known",
      moving: "nodes move to the next one",
    };
    const rest =
      stepUntilMs === undefined ? "" : `; waits for ${waitsFor} of them, until ${timeOf(stepUntilMs)}`;
    return `${shown}\n\n${told[step]}; ${nodes} nodes have a certificate${rest}`;
  });
}

export async function rotate(options: RemoteOptions): Promise<void> {
  await connectServer(options).rotateAuthority();
  print(options, { rotating: true }, () => "the next authority is made known; see `heddle ca status`");
}

export async function reset(options: RemoteOptions & { readonly force?: boolean }): Promise<void> {
  if (!options.force) {
    throw new FabricError(
      "CLI_USAGE",
      "reset the authority: every node is cut off until its agent is started with the token that this prints; say --force",
    );
  }
  const token = await connectServer(options).resetAuthority();
  const { usesLeft, expiresAtMs, readmits, id } = token;
  const known = readmits
    ? "also those that the fabric knows, whatever key they have"
    : "those that the fabric knows by their own key";
  const after = readmits ? `\nWhen all are in, take it back:\n  heddle token rm ${id}` : "";
  print(
    options,
    token,
    () =>
      `${token.token}\n\nIt lets ${usesLeft} nodes in until ${timeOf(expiresAtMs)}; ${known}, with their addresses:\n  heddle agent --server HOST:8502 --join-token TOKEN${after}`,
  );
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

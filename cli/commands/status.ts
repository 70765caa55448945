/** `heddle status`: the parts of the process on this node, and what is wrong with them. Status 1 if something failed. */
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

export async function status(options: RemoteOptions): Promise<void> {
  const found = await connect(options).status();
  print(options, found, () => {
    const { mode, version, node, datacenter, startedAtMs, components } = found;
    const since = new Date(startedAtMs).toISOString();
    const rows = components.map(({ name, state, summary }) => [name, state, summary]);
    return `heddle ${mode} ${version} on ${node} in ${datacenter}, since ${since}\n\n${table(["PART", "STATE", "SUMMARY"], rows)}`;
  });
  if (found.components.some(({ state }) => state === "failed")) process.exitCode = 1;
}

/** `heddle ca show`: the certificates that HTTPS of the fabric is signed by. */
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";

export async function show(options: RemoteOptions): Promise<void> {
  const roots = await connect(options).authorities();
  print(options, roots, () => roots.Roots.map(({ RootCert }) => RootCert.trim()).join("\n"));
}

/** Turns the kernel's dumps into rows with link names, so that they compare with desired rows. */
import type { Address, FdbEntry, Link, Neighbour, Route } from "../../kernel/index.ts";
import type { Row } from "../row/index.ts";

export interface Dumps {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
}

/** Rows on links that went away between two dumps, and proxy neighbours, are left out. */
export function* rowsOf(dumps: Dumps): Generator<Row> {
  const names = new Map(dumps.links.map((link) => [link.index, link.name]));
  for (const { linkIndex, ip, prefix, scope } of dumps.addresses) {
    const link = names.get(linkIndex);
    if (link !== undefined) yield { kind: "address", link, ip, prefix, scope };
  }
  for (const { linkIndex, ip, mac, permanent, proxy } of dumps.neighbours) {
    const link = names.get(linkIndex);
    if (link === undefined || proxy) continue;
    yield { kind: "neighbour", neighbour: mac ? { link, ip, mac, permanent } : { link, ip, permanent } };
  }
  for (const { linkIndex, mac, destination, permanent } of dumps.fdb) {
    const link = names.get(linkIndex);
    if (link === undefined) continue;
    yield {
      kind: "fdb",
      entry: destination ? { link, mac, destination, permanent } : { link, mac, permanent },
    };
  }
  for (const { linkIndex, ...rest } of dumps.routes) {
    const link = linkIndex === undefined ? undefined : names.get(linkIndex);
    yield { kind: "route", route: link === undefined ? rest : { ...rest, link } };
  }
}

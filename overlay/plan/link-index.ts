/** Replaces link names by indexes in operations, which saves the kernel door one look-up an operation. */
import type { KernelOperation, LinkRef } from "../../kernel/index.ts";

/** Names that `indexes` does not know stay: an earlier operation of the same list may make the link. */
export function withIndexes(
  operations: readonly KernelOperation[],
  indexes: ReadonlyMap<string, number>,
): KernelOperation[] {
  const known = (link: LinkRef) => (typeof link === "string" ? (indexes.get(link) ?? link) : link);
  return operations.map((operation): KernelOperation => {
    switch (operation.op) {
      case "link.change":
      case "link.delete":
      case "address.put":
      case "address.delete":
        return { ...operation, link: known(operation.link) };
      case "neighbour.put":
      case "neighbour.delete":
        return {
          ...operation,
          neighbour: { ...operation.neighbour, link: known(operation.neighbour.link) },
        };
      case "fdb.put":
      case "fdb.delete":
        return { ...operation, entry: { ...operation.entry, link: known(operation.entry.link) } };
      case "route.put":
      case "route.delete": {
        const { link } = operation.route;
        return link === undefined
          ? operation
          : { ...operation, route: { ...operation.route, link: known(link) } };
      }
      case "link.create":
      case "rule.put":
      case "rule.delete":
      case "sysctl.put":
        return operation;
      default:
        return operation satisfies never;
    }
  });
}

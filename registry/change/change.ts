/**
 * What happened to one thing in one revision, as readers of the change log see it. Every change has a path, and
 * what a reader follows is a prefix of paths, so that keys and catalog are followed alike:
 *
 *   kv/<key>   node/<node>/   check/<node>/<check>   service/<service>/<node>/<instance>
 */
import type { CheckEntry, KvEntry, NodeEntry, ServiceInstance } from "../model.ts";

/**
 * `expire`: the time of a key was over and it is gone; or a node is no longer alive, and it, its check `serfHealth` and
 * its instances are still there, but critical.
 */
export type ChangeAction = "add" | "modify" | "delete" | "expire";

/** Of what is gone: as it was last, an instance without its checks. */
export type ChangeSubject =
  | { readonly kind: "kv"; readonly entry: KvEntry }
  | { readonly kind: "node"; readonly node: NodeEntry; readonly alive: boolean }
  | { readonly kind: "check"; readonly check: CheckEntry }
  | { readonly kind: "instance"; readonly instance: ServiceInstance };

export interface Change {
  readonly path: string;
  readonly action: ChangeAction;
  readonly subject: ChangeSubject;
}

/** All changes of one revision that a reader follows, in order of path. */
export interface ChangeBatch {
  readonly revision: number;
  readonly changes: readonly Change[];
}

/** Paths, and what may be followed: without an argument all of the kind. A slash keeps `web` apart from `web2`. */
export const changePath = {
  kv: (prefix: string) => `kv/${prefix}`,
  nodes: (node?: string) => (node === undefined ? "node/" : `node/${segment(node)}/`),
  checks: (node?: string) => (node === undefined ? "check/" : `check/${segment(node)}/`),
  services: (name?: string) => (name === undefined ? "service/" : `service/${segment(name)}/`),
  check: (node: string, id: string) => `check/${segment(node)}/${encodeURIComponent(id.toWellFormed())}`,
  instance: (name: string, node: string, id: string) =>
    `service/${segment(name)}/${segment(node)}/${encodeURIComponent(id.toWellFormed())}`,
} as const;

/** Names of nodes and services are equal without regard to case. */
function segment(name: string): string {
  return encodeURIComponent(name.toWellFormed().toLowerCase());
}

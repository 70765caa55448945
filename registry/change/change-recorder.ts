/**
 * Finds out what a batch changed: told of each record before the reducer applies it, asked when all are applied.
 * Pure; what a batch wrote without changing it is no change. Costs nothing for records that no reader can follow,
 * and for a node whatever its services and checks are, once a batch.
 */
import { instancesOn, livenessCheck } from "../catalog/catalog-reads.ts";
import { type CatalogState, fold } from "../catalog/catalog-state.ts";
import type { KeyParts } from "../keys.ts";
import type { KvIndex } from "../kv/kv-index.ts";
import {
  type CheckEntry,
  containerNameKind,
  type KvEntry,
  livenessCheckId,
  type NodeEntry,
  type ServiceInstance,
} from "../model.ts";
import { type Change, type ChangeAction, type ChangeSubject, changePath } from "./change.ts";

interface TouchedNode {
  readonly before: NodeEntry | undefined;
  readonly wasAlive: boolean;
}

/** On one node; instances and checks by id. */
interface Touched {
  node?: TouchedNode;
  readonly checks: Map<string, CheckEntry | undefined>;
  /** Instances that this batch may have made or removed. */
  readonly instances: Map<string, ServiceInstance | undefined>;
}

export class ChangeRecorder {
  readonly #catalog: CatalogState;
  readonly #kv: KvIndex;
  readonly #keys = new Map<string, { readonly before: KvEntry | undefined; readonly isOutOfTime: boolean }>();
  readonly #nodes = new Map<string, Touched>();

  constructor(catalog: CatalogState, kv: KvIndex) {
    this.#catalog = catalog;
    this.#kv = kv;
  }

  /** Before the record is applied. */
  touch(parts: KeyParts): void {
    switch (parts.kind) {
      case "kv":
        this.#touchKey(parts.key);
        break;
      case "node": {
        const node = fold(parts.node);
        // With its node a check comes and goes.
        for (const id of this.#catalog.checks.get(node)?.keys() ?? []) this.#touchCheck(node, id);
        this.#touchNode(node);
        break;
      }
      case "live":
        this.#touchNode(fold(parts.node));
        break;
      case "service":
        this.#touchInstance(fold(parts.node), parts.id);
        break;
      case "check":
        this.#touchCheck(fold(parts.node), parts.id);
        break;
      case "session":
      case "sessionTtl":
      case "kvTtl":
      case "kvVersion":
      case "historyCut":
      case "historyRule":
      case "event":
      case "query":
      case "coordinate":
      case "aclToken":
      case "aclPolicy":
        break;
      default:
        parts satisfies never;
    }
  }

  /** In order of path; what was touched is forgotten. */
  take(): readonly Change[] {
    const changes: Change[] = [];
    for (const [key, { before, isOutOfTime }] of this.#keys) {
      const after = this.#kv.get(key);
      const entry = after ?? before;
      if (!entry) continue;
      const action = actionOf(before, after, !after && isOutOfTime);
      changes.push({ path: changePath.kv(key), action, subject: { kind: "kv", entry } });
    }
    for (const [name, touched] of this.#nodes) this.#takeNode(name, touched, changes);
    this.#keys.clear();
    this.#nodes.clear();
    return changes.length < 2 ? changes : changes.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #touchKey(key: string): void {
    if (this.#keys.has(key)) return;
    const before = this.#kv.get(key);
    this.#keys.set(key, { before, isOutOfTime: before !== undefined && this.#kv.isOutOfTime(before) });
  }

  #touchNode(name: string): void {
    const touched = this.#touched(name);
    if (touched.node) return;
    const before = this.#catalog.nodes.get(name);
    touched.node = { before, wasAlive: this.#isAlive(name) };
    this.#touchCheck(name, livenessCheckId);
    for (const id of this.#catalog.services.get(name)?.keys() ?? []) this.#touchInstance(name, id);
  }

  #touchCheck(name: string, id: string): void {
    const { checks } = this.#touched(name);
    if (!checks.has(id)) checks.set(id, this.#check(name, id));
  }

  #touchInstance(name: string, id: string): void {
    const { instances } = this.#touched(name);
    if (instances.has(id)) return;
    const node = this.#catalog.nodes.get(name);
    const service = this.#catalog.services.get(name)?.get(id);
    instances.set(id, node && service && { node, service, checks: [] });
  }

  #takeNode(name: string, touched: Touched, changes: Change[]): void {
    const { node, checks, instances } = touched;
    const add = (path: string, action: ChangeAction, subject: ChangeSubject) =>
      changes.push({ path, action, subject });
    const after = this.#catalog.nodes.get(name);
    const alive = this.#isAlive(name);
    const isEnd = node?.wasAlive === true && !alive;
    if (node) {
      const shown = after ?? node.before;
      if (shown && (node.before !== after || node.wasAlive !== alive)) {
        const action = actionOf(
          node.before,
          after,
          isEnd && node.before !== undefined && after !== undefined,
        );
        add(changePath.nodes(name), action, {
          kind: "node",
          node: shown,
          alive: alive && after !== undefined,
        });
      }
    }
    const affected = new Set(instances.keys());
    for (const [id, before] of checks) {
      const now = this.#check(name, id);
      const check = now ?? before;
      if (!check || (before && now && isSame(before, now))) continue;
      const isExpiry = isEnd && id === livenessCheckId && before !== undefined && now !== undefined;
      add(changePath.check(name, id), actionOf(before, now, isExpiry), {
        kind: "check",
        check,
      });
      for (const { serviceId } of [before ?? check, check]) {
        if (serviceId !== "") affected.add(serviceId);
        else for (const service of this.#catalog.services.get(name)?.keys() ?? []) affected.add(service);
      }
    }
    this.#takeInstances(name, affected, instances, isEnd, changes);
  }

  /** One that was not touched itself but by a check stands as it did before. */
  #takeInstances(
    name: string,
    ids: ReadonlySet<string>,
    touched: Touched["instances"],
    isEnd: boolean,
    changes: Change[],
  ): void {
    if (ids.size === 0) return;
    const afters = instancesOn(this.#catalog, name, ids);
    for (const id of ids) {
      const after = afters.get(id);
      const before = touched.has(id) ? touched.get(id) : after;
      const isRenamed = before && after && fold(before.service.name) !== fold(after.service.name);
      const put = (action: ChangeAction, instance: ServiceInstance) => {
        if (instance.service.kind === containerNameKind) return;
        const path = changePath.instance(instance.service.name, name, id);
        changes.push({ path, action, subject: { kind: "instance", instance } });
      };
      if (before && (!after || isRenamed)) put("delete", before);
      if (after) put(before && !isRenamed ? (isEnd ? "expire" : "modify") : "add", after);
    }
  }

  #check(name: string, id: string): CheckEntry | undefined {
    const node = this.#catalog.nodes.get(name);
    if (!node) return undefined;
    const liveness = id === livenessCheckId ? livenessCheck(this.#catalog, node) : undefined;
    return liveness ?? this.#catalog.checks.get(name)?.get(id);
  }

  #isAlive(name: string): boolean {
    return this.#catalog.liveness.get(name)?.alive ?? false;
  }

  #touched(name: string): Touched {
    let touched = this.#nodes.get(name);
    if (!touched) {
      touched = { checks: new Map(), instances: new Map() };
      this.#nodes.set(name, touched);
    }
    return touched;
  }
}

function actionOf(before: object | undefined, after: object | undefined, isEnd: boolean): ChangeAction {
  if (isEnd) return "expire";
  if (!before) return "add";
  return after ? "modify" : "delete";
}

/** The check that liveness makes has the index of its node, and may take the place of one that was registered. */
function isSame(a: CheckEntry, b: CheckEntry): boolean {
  return a.modifyIndex === b.modifyIndex && a.status === b.status && a.name === b.name;
}

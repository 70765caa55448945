/** Instances as items of a view. */
import {
  type CheckEntry,
  type Coordinate,
  type Indexes,
  livenessCheckId,
  type ServiceEntry,
  type ServiceInstance,
} from "../../../registry/index.ts";
import type { CheckBrief, ServiceViewItem } from "../../view-items.ts";

export type Items = ReadonlyMap<string, string>;

interface Known {
  readonly instance: ServiceInstance;
  readonly coordinate: Coordinate | undefined;
  readonly key: string;
  readonly json: string;
}

/**
 * A reader that remembers the JSON of each instance: of a thousand instances usually one has changed. Entries of the
 * catalog are never written to, so what is the same object is the same text. What `coordinateOf` answers becomes part of the item.
 */
export function serviceItems(
  coordinateOf: (node: string) => Coordinate | undefined = () => undefined,
): (instances: readonly ServiceInstance[]) => Items {
  let before = new Map<ServiceEntry, Known>();
  return (instances) => {
    const now: typeof before = new Map();
    const items = new Map<string, string>();
    for (const instance of instances) {
      const coordinate = coordinateOf(instance.node.name);
      const held = before.get(instance.service);
      const known = held && isSame(held, instance, coordinate) ? held : read(instance, coordinate, held?.key);
      now.set(instance.service, known);
      items.set(known.key, known.json);
    }
    before = now;
    return items;
  };
}

function isSame(
  known: Known,
  { node, checks }: ServiceInstance,
  coordinate: Coordinate | undefined,
): boolean {
  const { instance } = known;
  return (
    instance.node === node &&
    known.coordinate === coordinate &&
    instance.checks.length === checks.length &&
    checks.every((check, i) => check === instance.checks[i])
  );
}

function read(instance: ServiceInstance, coordinate: Coordinate | undefined, key?: string): Known {
  const { node, service } = instance;
  return {
    instance,
    coordinate,
    key: key ?? `${encodeURIComponent(node.name)}/${encodeURIComponent(service.id)}`,
    json: itemJson(instance, coordinate),
  };
}

function itemJson({ node, service, checks }: ServiceInstance, coordinate: Coordinate | undefined): string {
  const item: ServiceViewItem = {
    node: bare(node),
    service: bare(service),
    checks: checks.map(brief),
    ...(coordinate && { coordinate }),
  };
  return JSON.stringify(item);
}

export function brief({ id, name, status, serviceId }: CheckEntry): CheckBrief {
  return { id, name: id === livenessCheckId ? "" : name, status, serviceId };
}

/** A record without the revisions, which differ between equal records. */
export function bare<T extends object>(entry: T & Indexes): Omit<T, keyof Indexes> & T {
  const { createIndex: _created, modifyIndex: _modified, ...record } = entry;
  return record as Omit<T, keyof Indexes> & T;
}

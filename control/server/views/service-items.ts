/** Instances as items of a view. */
import {
  type CheckEntry,
  type Coordinate,
  type Indexes,
  livenessCheckId,
  type ServiceInstance,
} from "../../../registry/index.ts";
import type { CheckBrief, ServiceViewItem } from "../../view-items.ts";

export type Items = ReadonlyMap<string, string>;

/**
 * A reader that remembers the JSON of each instance: of a thousand instances usually one has changed. What
 * `coordinateOf` answers becomes part of the item.
 */
export function serviceItems(
  coordinateOf: (node: string) => Coordinate | undefined = () => undefined,
): (instances: readonly ServiceInstance[]) => Items {
  let before = new Map<string, { readonly stamp: string; readonly json: string }>();
  return (instances) => {
    const now: typeof before = new Map();
    for (const instance of instances) {
      const { node, service } = instance;
      const key = `${encodeURIComponent(node.name)}/${encodeURIComponent(service.id)}`;
      const coordinate = coordinateOf(node.name);
      const stamp = stampOf(instance) + (coordinate ? JSON.stringify(coordinate) : "");
      const known = before.get(key);
      now.set(key, known?.stamp === stamp ? known : { stamp, json: itemJson(instance, coordinate) });
    }
    before = now;
    return new Map([...now].map(([key, { json }]) => [key, json]));
  };
}

function stampOf({ node, service, checks }: ServiceInstance): string {
  let stamp = `${node.modifyIndex} ${service.createIndex} ${service.modifyIndex}`;
  for (const check of checks) stamp += ` ${check.id} ${check.modifyIndex} ${check.status}`;
  return stamp;
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

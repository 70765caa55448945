/**
 * Which of a service's instances a name asks for: those with a tag, those with a port of that name, or those with
 * either, as RFC 2782 has one label for both. The port of that name is then the instance's port in the answer; one that
 * fits by its tag alone answers with its default. All in lower case.
 */
import type { ServiceInstance } from "../catalog/catalog-reader.ts";

export interface Asking {
  readonly tag?: string;
  readonly port?: string;
  /** A tag, or the name of a port. */
  readonly label?: string;
}

export const anyInstance: Asking = {};

/** Why the instance is not asked for; undefined if it is. */
export function unfitness(
  instance: ServiceInstance,
  { tag, port, label }: Asking,
): "other-tag" | "other-port" | undefined {
  if (tag !== undefined && !hasTag(instance, tag)) return "other-tag";
  if (port !== undefined && portNamed(instance, port) === undefined) return "other-port";
  if (label === undefined || portNamed(instance, label) !== undefined) return undefined;
  return hasTag(instance, label) ? undefined : "other-tag";
}

/** The instance at the port that is asked for; as it is where it has none of that name. */
export function atPort(instance: ServiceInstance, { port, label }: Asking): ServiceInstance {
  const name = port ?? label;
  const number = name === undefined ? undefined : portNamed(instance, name);
  return number === undefined ? instance : { ...instance, port: number };
}

export function portNamed({ ports }: ServiceInstance, name: string): number | undefined {
  return ports?.find((each) => each.name.toLowerCase() === name)?.port;
}

export function hasTag({ tags }: ServiceInstance, tag: string): boolean {
  return tags.some((own) => own.toLowerCase() === tag);
}

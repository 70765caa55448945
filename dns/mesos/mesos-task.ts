/**
 * How an instance of the catalog is a task of Mesos: its service's name is the task's, its meta `framework` the
 * framework's (`marathon` where it says none), its meta `protocol` the protocol of its port (both where it says
 * none), its ports the task's, each with its name; of an instance that has one port its tags are the names. Instances of one service may belong to different frameworks.
 *
 * A canonical name tells an instance apart: the task, a hash of the instance, and one of its node, as Mesos-DNS
 * has it. It is found again by comparing the hashes of the service's instances.
 */
import type { MesosProtocol } from "../names/index.ts";
import { instanceKey, type ServiceInstance, textHash } from "../resolver/index.ts";

export const defaultFramework = "marathon";

export function frameworkOf({ meta }: ServiceInstance): string {
  return (meta?.["framework"] || defaultFramework).toLowerCase();
}

export function hasProtocol({ meta }: ServiceInstance, protocol: MesosProtocol): boolean {
  const own = meta?.["protocol"]?.toLowerCase();
  return own === undefined || own === "" || own === protocol;
}

/** All of them, or those of that name (in lower case). */
export function portsOf(
  { port, ports, tags }: ServiceInstance,
  name?: string,
): readonly { readonly name?: string; readonly port: number }[] {
  const isAsked = (own: string) => name === undefined || own.toLowerCase() === name;
  if (ports) return ports.filter((each) => isAsked(each.name));
  return name === undefined || tags.some(isAsked) ? [{ port }] : [];
}

export function canonicalLabel(task: string, instance: ServiceInstance): string {
  return `${task}-${hashText(instanceKey(instance))}-s${hashText(instance.node)}`;
}

/** The task of a label that may be canonical; undefined when it cannot be. */
export function taskOfCanonical(label: string): string | undefined {
  return /^(.+)-[0-9a-z]{7}-s[0-9a-z]{7}$/.exec(label)?.[1];
}

function hashText(text: string): string {
  return textHash(text, 0).toString(36).padStart(7, "0");
}

/**
 * What a container should have in the catalog: its services, by its labels and variables, and its names in the
 * fabric's networks. Pure. A service that cannot be read is left out and reported; the others stand.
 *
 * Where a service is reached: at the container's own address in the fabric, else where Docker published the port
 * on the node. A port that is neither cannot be reached, and that is reported.
 */
import { createHash } from "node:crypto";
import { familyOf, type Ip } from "../../../addr/index.ts";
import { FabricError, isFabricError } from "../../../errors/index.ts";
import {
  containerNameKind,
  containerServiceName,
  primaryNameTag,
  type ServiceDefinition,
} from "../../../registry/index.ts";
import { checksOf, dockerCheckId, invalid, truth } from "./checks.ts";
import type { Attachment, ContainerFacts, Port } from "./facts.ts";
import { portOf } from "./facts.ts";
import { type Fields, readFields, type ServiceFields } from "./fields.ts";

/** Meta keys of what is ours, and of nothing else. */
export const ownership = {
  source: "heddle-source",
  container: "heddle-container",
  digest: "heddle-digest",
} as const;

export interface PlanOptions {
  /** Of this node, as in service ids. */
  readonly node: string;
  /** Where the agent reaches published ports. */
  readonly nodeAddress: Ip;
  readonly engineId: string;
  /** Services of one container. */
  readonly servicesMax: number;
}

export interface Registration {
  readonly serviceId: string;
  readonly kind: "service" | "name";
  readonly digest: string;
  readonly definition: ServiceDefinition;
  /** The check that follows the container's HEALTHCHECK. */
  readonly healthCheck?: string;
}

export interface Plan {
  readonly registrations: readonly Registration[];
  readonly problems: readonly string[];
}

export function planContainer(facts: ContainerFacts, options: PlanOptions): Plan {
  const problems: string[] = [];
  const services: Registration[] = [];
  const taken = new Set<string>();
  const fields = readFields(facts.labels, facts.environment);
  for (const name of fields.unknown) problems.push(`${name} means nothing and is passed over`);
  const attempt = (act: () => void) => {
    try {
      act();
    } catch (error) {
      if (!isFabricError(error)) throw error;
      problems.push(error.message);
    }
  };
  attempt(() => {
    if (ignored(fields.common)) return;
    for (const { port, own } of wishes(fields, facts))
      attempt(() => {
        const merged = new Map([...fields.common, ...own]);
        if (ignored(merged)) return;
        if (services.length >= options.servicesMax)
          throw new FabricError(
            "REGISTRAR_LIMIT",
            `take in the services of ${facts.name}: at most ${options.servicesMax} are; split the container`,
          );
        const one = planService(facts, options, merged, port);
        if (taken.has(one.serviceId))
          throw new FabricError(
            "REGISTRAR_ID_TAKEN",
            `take in service "${one.serviceId}": another port of the container has this ID; name one for each port`,
          );
        taken.add(one.serviceId);
        services.push(one);
      });
  });
  return { registrations: [...services, ...planNames(facts, options)], problems };
}

function ignored(fields: Fields): boolean {
  const value = fields.get("ignore") ?? "";
  return value !== "" && !/^(false|0|no|off)$/i.test(value);
}

interface Wish {
  readonly port: Port | undefined;
  /** What differs from the container's common fields. */
  readonly own: Fields;
}

function wishes({ common, byPort, asRegistrator }: ServiceFields, facts: ContainerFacts): readonly Wish[] {
  const listed = [...byPort].flatMap(([spec, own]) => portOf(spec).map((port) => ({ spec, port, own })));
  const named = listed.filter(({ own }) => own.has("name"));
  const known = knownPorts(facts);
  const others = known.filter((port) => !named.some(({ spec }) => spec === showPort(port)));
  const plain = common.get("name");
  const explicit = common.get("port");
  if (!plain) return named;
  if (explicit !== undefined) {
    const [port] = portOf(explicit);
    if (!port) throw invalid("port", explicit, "expected a port from 1 to 65535, /udp behind it if need be");
    return [...named, { port, own: byPort.get(showPort(port)) ?? new Map() }];
  }
  if (!asRegistrator || known.length < 2) {
    const port = others.find(({ protocol }) => protocol === "tcp") ?? others[0];
    if (!port && named.length > 0) return named;
    return [...named, { port, own: (port && byPort.get(showPort(port))) ?? new Map() }];
  }
  const grouped = others.map((port) => {
    const own = new Map(byPort.get(showPort(port)));
    return { port, own: own.set("name", `${plain}-${port.number}`) };
  });
  return [...named, ...grouped];
}

/** Exposed and published ones, lowest first. */
function knownPorts(facts: ContainerFacts): readonly Port[] {
  const all = new Map<string, Port>();
  for (const { number, protocol } of [...facts.exposed, ...facts.published])
    all.set(`${number}/${protocol}`, { number, protocol });
  return [...all.values()].toSorted((a, b) => a.number - b.number);
}

function showPort({ number, protocol }: Port): string {
  return `${number}/${protocol}`;
}

interface Place {
  readonly address: string;
  readonly port: number;
  readonly attachment?: Attachment;
}

function placeOf(facts: ContainerFacts, fields: Fields, port: Port | undefined): Place {
  const wanted = fields.get("network");
  const attachment = facts.attachments.find(({ network }) => wanted === undefined || network === wanted);
  const [address] = attachment?.addresses ?? [];
  if (attachment && address) return { address, port: port?.number ?? 0, attachment };
  if (wanted !== undefined)
    throw invalid("network", wanted, "the container has no address in this network of the fabric");
  if (port && facts.onHostNetwork) return { address: "", port: port.number };
  const published =
    port && facts.published.find((each) => each.number === port.number && each.protocol === port.protocol);
  if (published) return { address: published.hostAddress, port: published.hostPort };
  const what = port ? `port ${showPort(port)} is not published` : "it publishes no port";
  throw new FabricError(
    "REGISTRAR_LABEL_INVALID",
    `take in container ${facts.name}: it has no address in the fabric and ${what}; join it to a network of the fabric, or publish the port`,
  );
}

function planService(
  facts: ContainerFacts,
  options: PlanOptions,
  fields: Fields,
  port: Port | undefined,
): Registration {
  const { node, nodeAddress } = options;
  const { address, port: number, attachment } = placeOf(facts, fields, port);
  const name = fields.get("name") ?? "";
  const protocol = port?.protocol === "udp" ? ":udp" : "";
  const made = port ? `${node}:${facts.name}:${port.number}${protocol}` : `${node}:${facts.name}`;
  const serviceId = fields.get("id") || made;
  truth(fields, "check.docker");
  const checks = checksOf(
    serviceId,
    fields,
    { address: address || nodeAddress, port: number },
    facts.health !== undefined,
  );
  const healthCheck = dockerCheckId(serviceId);
  const meta = [...fields].flatMap(([field, value]) =>
    field.startsWith("meta.") ? [[field.slice("meta.".length), value] as const] : [],
  );
  return seal(facts, options, "service", {
    id: serviceId,
    name,
    tags: splitTags(fields.get("tags") ?? ""),
    address,
    port: number,
    meta: Object.fromEntries(meta),
    ...(attachment && { taggedAddresses: taggedAddresses(attachment, number) }),
    checks,
    ...(checks.some(({ id }) => id === healthCheck) && { healthCheck }),
  });
}

function planNames(facts: ContainerFacts, options: PlanOptions): readonly Registration[] {
  return facts.attachments.flatMap(({ network, addresses, names }) =>
    names.flatMap((name) =>
      addresses.map((address) =>
        seal(facts, options, "name", {
          id: `container:${facts.id.slice(0, 12)}:${address}:${name}`,
          name: containerServiceName(name, network),
          kind: containerNameKind,
          ...(name === facts.name.toLowerCase() && { tags: [primaryNameTag] }),
          address,
        }),
      ),
    ),
  );
}

/** Marks it as ours. The digest tells, also after a restart of the agent, whether the same is registered already. */
function seal(
  facts: ContainerFacts,
  { engineId }: PlanOptions,
  kind: Registration["kind"],
  { healthCheck, ...wanted }: ServiceDefinition & { readonly id: string; readonly healthCheck?: string },
): Registration {
  const mark = { [ownership.source]: `docker:${engineId}`, [ownership.container]: facts.id };
  const definition = { ...wanted, meta: { ...wanted.meta, ...mark } };
  const digest = createHash("sha256").update(JSON.stringify(definition)).digest("hex").slice(0, 16);
  return {
    serviceId: wanted.id,
    kind,
    digest,
    definition: { ...definition, meta: { ...definition.meta, [ownership.digest]: digest } },
    ...(healthCheck !== undefined && { healthCheck }),
  };
}

/** Consul's words for the addresses of a service by family. */
function taggedAddresses({ addresses }: Attachment, port: number) {
  return Object.fromEntries(
    addresses.map((address) => [familyOf(address) === 4 ? "lan_ipv4" : "lan_ipv6", { address, port }]),
  );
}

/** Commas separate, `\,` is a comma. */
function splitTags(text: string): readonly string[] {
  return text
    .split(/(?<!\\),/)
    .map((tag) => tag.replaceAll("\\,", ",").trim())
    .filter((tag) => tag !== "");
}

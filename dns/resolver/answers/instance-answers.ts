/**
 * Answers that name instances: of a service, whose instances are chosen here, and of a prepared query, which has
 * chosen. An answer that depends on who asks, by its part of the instances or by what is near to it, is never kept.
 */
import { hostCidr } from "../../../addr/index.ts";
import { type ConsulName, portLabel } from "../../names/index.ts";
import { shuffled } from "../../shuffled.ts";
import { rcodes, typeNumbers } from "../../wire/index.ts";
import { type Answering, type Asked, datacenterOf } from "../asked.ts";
import { changeKey, type QueryAnswer, type ServiceInstance } from "../catalog/catalog-reader.ts";
import { chooseInstances } from "../choice/choose-instances.ts";
import { nearestFirst, type Standpoint } from "../choice/nearness.ts";
import type { ResolverOptions } from "../resolver-options.ts";
import { answer, negative, type Resolution } from "./resolution.ts";
import { serviceRecords } from "./service.ts";
import { serviceTtl } from "./ttl.ts";

export async function serviceAnswers(
  asked: Asked,
  name: Extract<ConsulName, { kind: "service" }>,
  answering: Answering,
): Promise<Resolution> {
  const { soa } = asked;
  const { catalog, ttl, whereIs } = answering.options;
  const dependsOn = [changeKey({ kind: "service", name: name.name })];
  const datacenter = datacenterOf(answering.options, name.datacenter);
  if (datacenter === undefined) return negative(rcodes.NXDOMAIN, soa, dependsOn);
  const instances = (await catalog.service(name.name, datacenter)) ?? [];
  const { usable, part } = chooseInstances(answering.options, instances, name, asked.client);
  const absent = name.tag === portLabel ? rcodes.NOERROR : rcodes.NXDOMAIN;
  if (usable.length === 0) return negative(absent, soa, dependsOn);
  const source = part.length < usable.length ? [] : dependsOn;
  const from = asked.subnet && whereIs(asked.subnet);
  const of = { datacenter, ttlSeconds: serviceTtl(ttl, name.name) };
  return instanceAnswers(asked, part, from, source, of, answering);
}

/** Which instances there are was decided by the query. Its own nearness comes before that of the client's subnet. */
export async function queryAnswers(
  asked: Asked,
  name: Extract<ConsulName, { kind: "query" }>,
  answering: Answering,
): Promise<Resolution> {
  const { catalog, ttl } = answering.options;
  const dependsOn = [changeKey({ kind: "query", name: name.name })];
  const datacenter = datacenterOf(answering.options, name.datacenter);
  const query = datacenter === undefined ? undefined : await catalog.query(name.name, datacenter);
  if (datacenter === undefined || !query || query.instances.length === 0)
    return negative(rcodes.NXDOMAIN, asked.soa, dependsOn);
  const of = { datacenter, ttlSeconds: query.ttlSeconds || serviceTtl(ttl, query.service) };
  const from = await queryStandpoint(asked, query, datacenter, answering.options);
  return instanceAnswers(asked, query.instances, from, dependsOn, of, answering);
}

async function queryStandpoint(
  { client, subnet }: Asked,
  { near, origin }: QueryAnswer,
  datacenter: string,
  { catalog, whereIs, subset }: ResolverOptions,
): Promise<Standpoint | undefined> {
  const asking = subnet ?? (client && hostCidr(client));
  const known = near === "_agent" ? { node: subset.node } : asking && whereIs(asking);
  if (near === "") return subnet && known;
  if (near !== "_agent" && near !== "_ip") return { node: near, ...(origin && { coordinate: origin }) };
  const node = known?.node === undefined ? undefined : await catalog.node(known.node, datacenter);
  if (!node) return known;
  const { zone, coordinate } = node;
  return { ...known, ...(zone !== undefined && { zone }), ...(coordinate && { coordinate }) };
}

/** In random order, or the nearest to the standpoint first. */
function instanceAnswers(
  asked: Asked,
  instances: readonly ServiceInstance[],
  from: Standpoint | undefined,
  dependsOn: readonly string[],
  of: { readonly datacenter: string; readonly ttlSeconds: number },
  { options: { random }, chase }: Answering,
): Promise<Resolution> | Resolution {
  const { question, domain, soa } = asked;
  const sorted = from ? nearestFirst(shuffled(instances, random), from) : instances;
  const records = serviceRecords(
    { ...of, owner: question.name, type: question.type, domain, random: from ? () => 0 : random },
    sorted,
  );
  const source = from ? [] : dependsOn;
  if (records.alias !== undefined && question.type !== typeNumbers.CNAME)
    return chase(asked, records.alias, records.answers, source);
  const resolution = answer(records.answers, soa, source, records.additionals);
  return from ? { ...resolution, anyOrder: false, tailored: asked.subnet !== undefined } : resolution;
}

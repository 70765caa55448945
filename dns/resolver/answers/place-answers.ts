/** Answers that name one place: a node, a container, and a neighbour of whoever asks. */
import type { Ip } from "../../../addr/index.ts";
import type { ConsulName } from "../../names/index.ts";
import { type DnsRecord, type Question, rcodes, typeNumbers } from "../../wire/index.ts";
import { type Asked, datacenterOf } from "../asked.ts";
import { changeKey } from "../catalog/catalog-reader.ts";
import type { ResolverOptions } from "../resolver-options.ts";
import { addressAnswers } from "./addresses.ts";
import { metaRecords } from "./meta.ts";
import { answer, negative, type Resolution } from "./resolution.ts";

export async function nodeAnswers(
  { question, soa }: Asked,
  name: Extract<ConsulName, { kind: "node" }>,
  options: ResolverOptions,
): Promise<Resolution> {
  const { catalog, ttl } = options;
  const dependsOn = [changeKey({ kind: "node", name: name.name })];
  const datacenter = datacenterOf(options, name.datacenter);
  const node = datacenter === undefined ? undefined : await catalog.node(name.name, datacenter);
  if (!node?.up) return negative(rcodes.NXDOMAIN, soa, dependsOn);
  const answers =
    question.type === typeNumbers.TXT
      ? metaRecords(question.name, ttl.nodeSeconds, node.meta)
      : addressAnswers(question, ttl.nodeSeconds, node.addresses);
  return answer(answers, soa, dependsOn);
}

export async function containerAnswers(
  { question, soa }: Asked,
  { name, network, datacenter: asked }: Extract<ConsulName, { kind: "container" }>,
  options: ResolverOptions,
): Promise<Resolution> {
  const { catalog, ttl } = options;
  const dependsOn = [changeKey({ kind: "container", name, network })];
  const datacenter = datacenterOf(options, asked);
  const ips = datacenter === undefined ? [] : await catalog.container(name, network, datacenter);
  if (ips.length === 0) return negative(rcodes.NXDOMAIN, soa, dependsOn);
  return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa, dependsOn);
}

/**
 * `web`, or `web.shop`, asked by a container: one with that name in a network that both are in. Nothing found is
 * no answer of ours, as the name may be known elsewhere. It depends on who asks, so it is never kept.
 */
export async function neighbourAnswers(
  question: Question,
  labels: readonly string[],
  client: Ip,
  soa: () => DnsRecord,
  { catalog, datacenter, networksOf, ttl }: ResolverOptions,
): Promise<Resolution | undefined> {
  const [name, wanted, ...more] = labels;
  if (name === undefined || more.length > 0) return undefined;
  const networks = networksOf(client).filter((each) => wanted === undefined || each.toLowerCase() === wanted);
  const ips: Ip[] = [];
  for (const network of networks)
    ips.push(...(await catalog.container(name, network.toLowerCase(), datacenter)));
  if (ips.length === 0) return undefined;
  return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa(), []);
}

/**
 * Answers a question as the server would, and tells why. It runs the general path itself, over a catalog and
 * a forwarder that are watched, so the explanation cannot say anything else than what is answered. The reply
 * comes as over TCP first, whole, and is then cut as the client's transport would have it. Rate limits and cookies,
 * which depend on what was asked before, are left out.
 */
import type { Clock } from "../../clock/index.ts";
import {
  type Choice,
  isNamed,
  placeOf,
  Resolver,
  type ResolverOptions,
  type ServiceInstance,
} from "../resolver/index.ts";
import {
  Exchange,
  type ExchangeOptions,
  encodeShuffled,
  type Forwarder,
  plainUdpBytesMax,
  replyBytesMax,
} from "../serve/index.ts";
import {
  classIn,
  decodeMessage,
  emptyMessage,
  encodeMessage,
  type Message,
  rcodeName,
  rcodes,
  typeName,
} from "../wire/index.ts";
import type { ExplainedChoice, ExplainQuestion, Explanation } from "./explanation.ts";
import { meaningOf, outcomeOf, recordText, ttlReason, ttlSeconds } from "./meaning.ts";
import { type Lookup, observedCatalog } from "./observed-catalog.ts";
import { parsedName } from "./parsed-name.ts";

export interface ExplainParts {
  readonly resolver: ResolverOptions;
  readonly exchange: Omit<ExchangeOptions, "resolver" | "keeper" | "onReply" | "onFailure">;
  readonly isReady: (query: Message) => boolean;
  readonly clock: Clock;
}

/** @throws DNS_INVALID_NAME */
export async function explain(asked: ExplainQuestion, parts: ExplainParts): Promise<Explanation> {
  const lookups: Lookup[] = [];
  const choices: ExplainedChoice[] = [];
  const forwards: { name: string; tookMs: number; failed: boolean }[] = [];
  let failure: string | undefined;
  const { clock } = parts;
  const resolver = new Resolver({
    ...parts.resolver,
    catalog: observedCatalog(parts.resolver.catalog, clock, (lookup) => lookups.push(lookup)),
    onChoice: (choice) => choices.push(explainedChoice(choice)),
  });
  const exchange = new Exchange({
    ...parts.exchange,
    resolver,
    forwarder: parts.exchange.forwarder && watched(parts.exchange.forwarder, clock, forwards),
    keeper: { mark: () => 0, offer: () => undefined },
    onReply: () => undefined,
    onFailure: (_question, error) => {
      failure = error instanceof Error ? error.message : String(error);
    },
  });
  const query = queryOf(asked);
  const bytes = await exchange.handle(encodeMessage(query), { ip: asked.client, transport: "tcp" });
  const whole = decodeMessage(bytes ?? encodeMessage(query));
  const limitBytes = replyBytesMax(query, asked.transport, parts.exchange.facts);
  const sent = decodeMessage(cut(whole, limitBytes, parts.resolver.random));
  const { domains, dialects } = parts.resolver;
  const parsed = parsedName(asked.name, domains, dialects);
  const isForwarded = forwards.length > 0 && !whole.authoritative;
  const since = parts.exchange.staleSinceMs();
  const facts = { typeName: typeName(asked.type), parsed, lookups, choices, failure, forwarded: isForwarded };
  return {
    question: {
      name: asked.name,
      type: facts.typeName,
      client: asked.client,
      transport: asked.transport,
      ednsBytes: asked.ednsBytes,
    },
    parsed,
    lookups,
    ...(since !== undefined && { staleForMs: Math.max(0, clock.wallMs() - since) }),
    choices,
    path: { kind: pathOf(whole, isForwarded), forwards, ready: parts.isReady(query) },
    ttl: {
      seconds: ttlSeconds(whole),
      reason: ttlReason(whole, parsed, isForwarded, since !== undefined),
    },
    order: orderOf(whole),
    size: {
      wholeBytes: bytes?.length ?? 0,
      limitBytes,
      limitReason: limitReason(asked, limitBytes),
      answers: whole.answers.length,
      answersSent: sent.answers.length,
      truncated: sent.truncated,
    },
    reply: {
      rcode: rcodeName(sent.rcode),
      outcome: outcomeOf(whole),
      meaning: meaningOf(whole, facts),
      answers: sent.answers.map(recordText),
      authorities: sent.authorities.map(recordText),
      additionals: sent.additionals.map(recordText),
    },
  };
}

function queryOf({ name, type, ednsBytes }: ExplainQuestion): Message {
  return {
    ...emptyMessage,
    recursionDesired: true,
    questions: [{ name, type, class: classIn }],
    ...(ednsBytes > 0 && { edns: { udpBytes: ednsBytes, version: 0, dnssecOk: false, options: [] } }),
  };
}

function hasAlias({ answers }: Message): boolean {
  return answers.some(({ data }) => data.kind === "CNAME");
}

function cut(whole: Message, limitBytes: number, random: () => number): Uint8Array {
  return hasAlias(whole) ? encodeMessage(whole, limitBytes) : encodeShuffled(whole, limitBytes, random);
}

function explainedChoice({ judgement, named }: Choice): ExplainedChoice {
  const { verdicts, panic, panicThreshold } = judgement;
  const given = new Set(named);
  const instances = [...verdicts].map(([instance, verdict]) => ({
    node: instance.node,
    id: instance.id ?? "",
    address: addressText(instance),
    port: instance.port,
    status: instance.status,
    verdict: isNamed(verdict) && !given.has(instance) ? ("subset" as const) : verdict,
    failing: instance.failing ?? [],
  }));
  return { instances, panic, panicThreshold };
}

function addressText(instance: ServiceInstance): string {
  const place = placeOf(instance);
  return place.kind === "host" ? place.name : (place.addresses[0] ?? "");
}

function watched(
  forwarder: Forwarder,
  clock: Clock,
  forwards: { name: string; tookMs: number; failed: boolean }[],
): Forwarder {
  return {
    isLoop: (query) => forwarder.isLoop(query),
    claims: (name) => forwarder.claims(name),
    async forward(question, bits) {
      const startMs = clock.monotonicMs();
      const done = (failed: boolean) =>
        forwards.push({ name: question.name, tookMs: clock.monotonicMs() - startMs, failed });
      try {
        const reply = await forwarder.forward(question, bits);
        done(false);
        return reply;
      } catch (error) {
        done(true);
        throw error;
      }
    },
  };
}

function pathOf(whole: Message, isForwarded: boolean): Explanation["path"]["kind"] {
  if (whole.rcode === rcodes.SERVFAIL) return "failed";
  if (whole.rcode === rcodes.REFUSED && !isForwarded) return "refused";
  return isForwarded ? "forwarded" : "own";
}

function orderOf(whole: Message): string {
  if (whole.answers.length < 2) return "nothing to order";
  return hasAlias(whole)
    ? "the alias first, then what it leads to"
    : "random each time, unless nearness decides; what does not fit is left out by a fixed order";
}

function limitReason({ transport, ednsBytes }: ExplainQuestion, limitBytes: number): string {
  if (transport === "tcp") return "TCP";
  if (ednsBytes === 0) return `UDP without EDNS: ${plainUdpBytesMax} bytes`;
  return limitBytes === ednsBytes
    ? "what the client says that it takes"
    : "the most that this server sends by UDP";
}

/** The body of `/v1/txn` → operations of the registry, and their outcomes back. */

import {
  type CatalogVerb,
  catalogVerbs,
  type KvVerb,
  kvVerbs,
  type TxnAnswer,
  type TxnOperation,
  type TxnOutcome,
} from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { checkJson, nodeJson, serviceJson } from "../json/consul-json.ts";
import { kvEntryJson } from "../json/kv-json.ts";
import { badRequest } from "../query.ts";
import { BodyFields } from "./body-fields.ts";
import { readCatalogCheck, readCatalogService, readNode } from "./catalog-body.ts";

/** @throws API_BAD_REQUEST, API_UNSUPPORTED, REGISTRY_INVALID */
export function readTxn(body: Uint8Array, registry: ContentReads): TxnOperation[] {
  return BodyFields.parseList(body).map((operation) => readOperation(operation, registry));
}

/**
 * JSON text: flags are unsigned 64-bit and do not survive JSON.stringify. One of the two is `null`, as Consul
 * prints it: clients ask `if (Errors)`.
 */
export function txnJson({ outcomes, errors }: TxnAnswer): string {
  const shown = errors.map(({ at, what }) => ({ OpIndex: at, What: what }));
  if (shown.length > 0) return `{"Results":null,"Errors":${JSON.stringify(shown)}}`;
  return `{"Results":[${outcomes.map(outcomeJson).join(",")}],"Errors":null}`;
}

function readOperation(operation: BodyFields, registry: ContentReads): TxnOperation {
  const kv = operation.object("kv");
  const node = operation.object("node");
  const service = operation.object("service");
  const check = operation.object("check");
  if ([kv, node, service, check].filter((one) => one !== undefined).length !== 1)
    throw badRequest("Request decode failed: each operation must have one of KV, Node, Service and Check");
  if (kv) return readKv(kv);
  if (node) {
    const body = node.object("node") ?? BodyFields.of({}, "node");
    const isWrite = isWriting(readCatalogVerb(node, "Node"));
    const record = isWrite ? readNode(body, registry) : bareNode(body.text("node") ?? "", registry);
    return { kind: "node", verb: readCatalogVerb(node, "Node"), record, index: indexOf(body, node) };
  }
  if (service) {
    const body = service.object("service") ?? BodyFields.of({}, "service");
    const verb = readCatalogVerb(service, "Service");
    const name = service.text("node") ?? body.text("node") ?? "";
    const named = isWriting(verb)
      ? body
      : BodyFields.of({ ID: body.text("id") ?? "", Service: body.text("service") || "-" }, "");
    return { kind: "service", verb, record: readCatalogService(named, name), index: indexOf(body, service) };
  }
  const body = check?.object("check") ?? BodyFields.of({}, "check");
  const verb = readCatalogVerb(check ?? operation, "Check");
  const record = readCatalogCheck(body, body.text("node") ?? "");
  return { kind: "check", verb, record, index: indexOf(body, check ?? operation) };
}

function readKv(kv: BodyFields): TxnOperation {
  const verb = kv.text("verb") ?? "";
  if (!isKvVerb(verb)) throw badRequest(`unknown KV verb ${JSON.stringify(verb)}`);
  return {
    kind: "kv",
    verb,
    key: kv.text("key") ?? "",
    value: Buffer.from(kv.text("value") ?? "", "base64"),
    flags: kv.uint("flags") ?? 0n,
    index: Number(kv.uint("index") ?? 0n),
    session: kv.text("session") ?? "",
  };
}

/** Clients put the expected index into the thing that is written. */
function indexOf(body: BodyFields, operation: BodyFields): number {
  return Number(body.uint("modifyindex") ?? operation.uint("index") ?? 0n);
}

function bareNode(name: string, registry: ContentReads) {
  return readNode(BodyFields.of({ Node: name, Address: "127.0.0.1" }, ""), registry);
}

function readCatalogVerb(body: BodyFields, kind: string): CatalogVerb {
  const verb = body.text("verb") ?? "";
  const known = catalogVerbs.find((one) => one === verb);
  if (!known) throw badRequest(`unknown ${kind} verb ${JSON.stringify(verb)}`);
  return known;
}

function isWriting(verb: CatalogVerb): boolean {
  return verb === "set" || verb === "cas";
}

function isKvVerb(verb: string): verb is KvVerb {
  return kvVerbs.some((one) => one === verb);
}

function outcomeJson(outcome: TxnOutcome): string {
  switch (outcome.kind) {
    case "kv":
      return `{"KV":${kvEntryJson(outcome.entry)}}`;
    case "node":
      return JSON.stringify({ Node: nodeJson(outcome.entry) });
    case "service":
      return JSON.stringify({ Service: serviceJson(outcome.entry) });
    case "check":
      return JSON.stringify({ Check: checkJson(outcome.entry) });
    default:
      return outcome satisfies never;
  }
}

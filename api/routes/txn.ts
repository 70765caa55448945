/** `/v1/txn`: several operations over keys and catalog, all or none. What cannot be done is 409 and says which. */
import { isFabricError } from "../../errors/index.ts";
import type { TxnAnswer } from "../../registry/index.ts";
import type { ReadContext } from "../blocking.ts";
import { readHeaders } from "../blocking.ts";
import { readTxn, txnJson } from "../body/txn-body.ts";
import { assertDatacenter, refuseUnsupported } from "../read-mode.ts";
import { jsonText, plainText } from "../request.ts";
import type { Call, Route } from "../route.ts";

/** As Consul's default; base64 makes the values a third longer. */
export const txnBytesMax = 512 * 1024;

export function txnRoute(context: ReadContext): Route {
  const { registry } = context;
  const run = async (call: Call) => {
    const { query, request } = call;
    refuseUnsupported(query);
    assertDatacenter(query, registry.datacenter);
    if (request.body.length > txnBytesMax) return tooLarge(request.body.length);
    const operations = readTxn(request.body, context.reads(call));
    const answer = await refusedAsErrors(context.writes(call).txn(operations), registry.index);
    return jsonText(txnJson(answer), headersOf(context), answer.errors.length > 0 ? 409 : 200);
  };
  return { path: "/v1/txn", methods: { PUT: run } };
}

function headersOf(context: ReadContext): Record<string, string> {
  return readHeaders(context, context.registry.index, "leader");
}

/** Consul tells what the token does not allow as it tells what could not be done. */
async function refusedAsErrors(answer: Promise<TxnAnswer>, revision: number): Promise<TxnAnswer> {
  try {
    return await answer;
  } catch (error) {
    if (!isFabricError(error, "REGISTRY_PERMISSION_DENIED")) throw error;
    return { revision, outcomes: [], errors: [{ at: Number(error.details["at"]), what: error.message }] };
  }
}

function tooLarge(bytes: number) {
  return plainText(413, `Request body(${bytes} bytes) too large, max size: ${txnBytesMax} bytes.`);
}

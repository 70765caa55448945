/** `/v1/txn`: several operations over keys and catalog, all or none. What cannot be done is 409 and says which. */
import type { RegistryReads, RegistryWrites } from "../../registry/index.ts";
import type { ReadContext } from "../blocking.ts";
import { readHeaders } from "../blocking.ts";
import { readTxn, txnJson } from "../body/txn-body.ts";
import { assertDatacenter, refuseUnsupported } from "../read-mode.ts";
import { jsonText, plainText } from "../request.ts";
import type { Call, Route } from "../route.ts";

/** As Consul's default; base64 makes the values a third longer. */
export const txnBytesMax = 512 * 1024;

export function txnRoute({ registry }: ReadContext, writer: RegistryWrites): Route {
  const run = async (call: Call) => {
    const { query, request } = call;
    refuseUnsupported(query);
    assertDatacenter(query, registry.datacenter);
    if (request.body.length > txnBytesMax) return tooLarge(request.body.length);
    const answer = await writer.txn(readTxn(request.body, registry));
    return jsonText(txnJson(answer), headersOf(registry), answer.errors.length > 0 ? 409 : 200);
  };
  return { path: "/v1/txn", methods: { PUT: run } };
}

function headersOf(registry: RegistryReads): Record<string, string> {
  return readHeaders(registry, registry.index, "leader");
}

function tooLarge(bytes: number) {
  return plainText(413, `Request body(${bytes} bytes) too large, max size: ${txnBytesMax} bytes.`);
}

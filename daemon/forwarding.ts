/** Requests to the HTTP API between an agent and its server: the API's shapes in the control protocol's. */
import { type ApiHandler, clientAddressHeader } from "../api/index.ts";
import type { ControlClient, HttpHandler, HttpHeaderField } from "../control/index.ts";

/** On an agent: what it does not answer itself goes to a server, with the address of who asked. */
export function forwardTo(client: ControlClient): ApiHandler {
  return async ({ method, target, headers, body, signal, remote }) => {
    const asker = headers[clientAddressHeader] ?? remote;
    const named = asker === undefined ? headers : { ...headers, [clientAddressHeader]: asker };
    const fields = Object.entries(named).flatMap(([name, value]): HttpHeaderField[] => {
      const values = typeof value === "string" ? [value] : (value ?? []);
      return values.map((each) => ({ name, value: each }));
    });
    const response = await client.http({ method, target, headers: fields, body }, signal ? { signal } : {});
    return { status: response.status, headers: asRecord(response.headers), body: response.body };
  };
}

/** On a server: what agents forward is answered by its own API. */
export function serveForwarded(api: ApiHandler): HttpHandler {
  return async ({ node, method, target, headers, body }, signal) => {
    const response = await api({ method, target, headers: asRecord(headers), body, signal, node });
    return {
      status: response.status,
      headers: Object.entries(response.headers).map(([name, value]) => ({ name, value })),
      body: typeof response.body === "string" ? Buffer.from(response.body) : response.body,
    };
  };
}

function asRecord(fields: readonly HttpHeaderField[]): Record<string, string> {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]));
}

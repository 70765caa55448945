/**
 * One call as the plugin binary sends it: each CNI_ variable ended by NUL, one more NUL, then the
 * configuration as it came on standard input.
 */
import { FabricError } from "../../errors/index.ts";

export interface CniRequest {
  readonly variables: ReadonlyMap<string, string>;
  readonly stdin: Uint8Array;
}

/** Variables of a call that are looked at; the specification has six. */
const variablesMax = 64;

/** @throws CNI_UNDECODABLE */
export function parseRequest(bytes: Uint8Array): CniRequest {
  const variables = new Map<string, string>();
  for (let at = 0; ; ) {
    const end = bytes.indexOf(0, at);
    if (end < 0)
      throw undecodable("the list of variables has no end; install the plugin binary of this version");
    if (end === at) return { variables, stdin: bytes.subarray(end + 1) };
    if (variables.size === variablesMax)
      throw undecodable(`there are more than ${variablesMax} CNI_ variables`);
    const [name = "", ...rest] = Buffer.from(bytes.subarray(at, end)).toString().split("=");
    variables.set(name, rest.join("="));
    at = end + 1;
  }
}

/** Inverse of `parseRequest`; what the binary does, for programs that speak to the socket themselves. */
export function formatRequest(variables: Readonly<Record<string, string>>, stdin: string): Buffer {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\0`);
  return Buffer.from(`${lines.join("")}\0${stdin}`);
}

function undecodable(why: string): FabricError {
  return new FabricError("CNI_UNDECODABLE", `read the call of the CNI plugin binary: ${why}`);
}

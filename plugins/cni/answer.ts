/**
 * The answer of a plugin call as a process gives it: exit status and standard output. Errors are the JSON
 * object of the CNI specification, section "Error", printed on standard output with status 1.
 */

/** Error numbers of the specification; from 100 on they are Heddle's own (docs/errors.md). */
export const cniErrorNumbers = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  inputOutput: 5,
  undecodable: 6,
  invalidConfiguration: 7,
  tryAgainLater: 11,
  unavailable: 50,
  limitedConnectivity: 51,
  failed: 100,
  poolExhausted: 101,
  addressTaken: 102,
  endpointExists: 103,
  endpointDrifted: 104,
} as const;

export type CniErrorNumber = (typeof cniErrorNumbers)[keyof typeof cniErrorNumbers];

export interface CniAnswer {
  readonly status: 0 | 1;
  readonly stdout: string;
}

export interface CniErrorBody {
  readonly cniVersion: string;
  readonly code: CniErrorNumber;
  readonly msg: string;
  readonly details?: string;
}

export function errorAnswer(body: CniErrorBody): CniAnswer {
  return { status: 1, stdout: `${JSON.stringify(body)}\n` };
}

/** Success; nothing is printed when there is no result, as for DEL, CHECK, GC and STATUS. */
export function successAnswer(result?: unknown): CniAnswer {
  return { status: 0, stdout: result === undefined ? "" : `${JSON.stringify(result)}\n` };
}

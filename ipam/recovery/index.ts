/** An address plan from the nodes that hold it: the mark on the store, what nodes state, what follows from it. */
export type { Conflict, Rebuilt } from "./rebuild.ts";
export { gatheringMark, Recovery, type RecoveryStatus, type Restated } from "./recovery.ts";
export { isGathering, offsetOf, type RecoveryMark } from "./recovery-mark.ts";
export {
  encodeStatement,
  peersAfter,
  peersMax,
  readStatement,
  type Statement,
  statementBytesMax,
} from "./statement.ts";

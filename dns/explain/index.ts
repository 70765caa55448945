/** Why a question is answered as it is. */
export { type ExplainParts, explain } from "./explain.ts";
export type { ExplainedChoice, ExplainedInstance, ExplainQuestion, Explanation } from "./explanation.ts";

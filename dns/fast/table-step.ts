/** Steps by which one table of ready answers follows another. */
import type { AnswerTable } from "./answer-table.ts";
import type { ReadyAnswer } from "./ready-answer.ts";
import type { ReadyReplies } from "./ready-replies.ts";

export type TableStep =
  | {
      readonly kind: "learn";
      readonly key: Uint8Array;
      readonly answer: ReadyAnswer;
      /** Its place in the arena. */
      readonly at: number;
      /** Those whose room it takes. */
      readonly evicted?: readonly Uint8Array[];
    }
  | { readonly kind: "forget"; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "clear" }
  /** What every OPT ends with from now on. */
  | { readonly kind: "notice"; readonly option: Uint8Array };

/** What a follower does with a step. */
export function applyStep(table: AnswerTable, replies: ReadyReplies, step: TableStep): void {
  switch (step.kind) {
    case "learn":
      for (const key of step.evicted ?? []) table.forget(key);
      table.learn(step.key, step.answer, step.at);
      break;
    case "forget":
      for (const key of step.keys) table.forget(key);
      break;
    case "clear":
      table.clear();
      break;
    case "notice":
      replies.setNotice(step.option);
      break;
    default:
      step satisfies never;
  }
}

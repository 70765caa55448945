/** Steps by which one table of ready answers follows another. */
import type { AnswerTable } from "./answer-table.ts";
import type { ReadyAnswer } from "./ready-answer.ts";
import type { ReadyReplies } from "./ready-replies.ts";

export type TableStep =
  | { readonly kind: "learn"; readonly key: Uint8Array; readonly answer: ReadyAnswer }
  | { readonly kind: "forget"; readonly keys: readonly Uint8Array[] }
  | { readonly kind: "clear" }
  /** What every OPT ends with from now on. */
  | { readonly kind: "notice"; readonly option: Uint8Array };

/**
 * What a follower does with a step. Its table has the bounds of the leader's, so there is room;
 * if there were not, the general path would answer.
 */
export function applyStep(table: AnswerTable, replies: ReadyReplies, step: TableStep): void {
  switch (step.kind) {
    case "learn":
      table.learn(step.key, step.answer);
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

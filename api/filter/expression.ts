/** A filter expression as a tree, and what is wrong with one that is none. */
import { FabricError } from "../../errors/index.ts";

/** Of the text of one expression. */
export const filterCharsMax = 4096;
/** Of parentheses and `not` in each other. */
export const filterDepthMax = 64;

export type Comparison = "==" | "in" | "matches" | "empty";

export type Expression =
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "not"; readonly operand: Expression }
  | {
      readonly kind: "match";
      /** Names from the outermost in. */
      readonly selector: readonly string[];
      readonly comparison: Comparison;
      /** `!=`, `not in`, `is not empty`, …: decided at the leaf, so "some check is not passing" can be said. */
      readonly isNegated: boolean;
      /** "" for `empty`. */
      readonly value: string;
    };

export function invalidFilter(why: string): FabricError {
  return new FabricError("API_BAD_REQUEST", `Failed to create boolean expression evaluator: ${why}`);
}

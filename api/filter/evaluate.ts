/**
 * Whether an answer's item fits a filter expression. Selectors name fields of the JSON that is answered. A name
 * that such an item cannot have is an error; a key that a map does not have is empty, and unequal to everything.
 * Below a list of objects a comparison holds when it holds for one of them.
 */
import { LinearRegex } from "../../registry/index.ts";
import { type Expression, invalidFilter } from "./expression.ts";
import { parseFilter } from "./parser.ts";

export type Filter = (item: object) => boolean;

type Leaf = (value: unknown) => boolean;

/** Objects whose keys are the users'. */
const maps = new Set([
  "Meta",
  "NodeMeta",
  "ServiceMeta",
  "TaggedAddresses",
  "ServiceTaggedAddresses",
  "Services",
]);
/** Fields that are left out of an answer when they are empty, and what they are then. */
const leftOut: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...["Kind", "ServiceKind", "Session"].map((name) => [name, ""] as const),
  ...["Ports", "ServicePorts"].map((name) => [name, []] as const),
]);

/** @throws API_BAD_REQUEST; the filter itself throws it for an unknown selector */
export function compileFilter(text: string): Filter {
  return compile(parseFilter(text));
}

function compile(expression: Expression): Filter {
  switch (expression.kind) {
    case "and": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (item) => left(item) && right(item);
    }
    case "or": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (item) => left(item) || right(item);
    }
    case "not": {
      const operand = compile(expression.operand);
      return (item) => !operand(item);
    }
    case "match": {
      const leaf = compileLeaf(expression);
      return (item) => some(item, expression.selector, 0, leaf, expression);
    }
    default:
      return expression satisfies never;
  }
}

function some(
  value: unknown,
  selector: readonly string[],
  depth: number,
  leaf: Leaf,
  expression: Extract<Expression, { kind: "match" }>,
): boolean {
  const name = selector[depth];
  if (name === undefined) return leaf(value);
  if (Array.isArray(value)) return value.some((item) => some(item, selector, depth, leaf, expression));
  const isMap = maps.has(selector[depth - 1] ?? "");
  const isObject = typeof value === "object" && value !== null;
  if (isObject && Object.hasOwn(value, name))
    return some((value as Record<string, unknown>)[name], selector, depth + 1, leaf, expression);
  if (isMap) return expression.isNegated !== (expression.comparison === "empty");
  if (isObject && leftOut.has(name)) return some(leftOut.get(name), selector, depth + 1, leaf, expression);
  throw invalidFilter(`Selector "${selector.join(".")}" is not valid`);
}

function compileLeaf({ comparison, isNegated, value }: Extract<Expression, { kind: "match" }>): Leaf {
  const holds = positiveLeaf(comparison, value);
  return (held) => holds(held) !== isNegated;
}

function positiveLeaf(comparison: Extract<Expression, { kind: "match" }>["comparison"], value: string): Leaf {
  switch (comparison) {
    case "==":
      return (held) => isEqual(held, value);
    case "in":
      return (held) => isIn(held, value);
    case "empty":
      return isEmpty;
    case "matches": {
      const regex = compileRegex(value);
      return (held) => {
        if (typeof held !== "string") throw invalidFilter(`"matches" needs a text, not ${typeOf(held)}`);
        return regex.test(held);
      };
    }
    default:
      return comparison satisfies never;
  }
}

function compileRegex(pattern: string): LinearRegex {
  try {
    return new LinearRegex(pattern);
  } catch (error) {
    throw invalidFilter(error instanceof Error ? error.message : "invalid regular expression");
  }
}

function isEqual(held: unknown, value: string): boolean {
  if (typeof held === "string") return held === value;
  if (typeof held === "number") {
    const wanted = Number(value);
    if (value.trim() === "" || Number.isNaN(wanted))
      throw invalidFilter(`${JSON.stringify(value)} is no number`);
    return held === wanted;
  }
  if (typeof held === "boolean") {
    if (value !== "true" && value !== "false")
      throw invalidFilter(`${JSON.stringify(value)} is not true or false`);
    return String(held) === value;
  }
  throw invalidFilter(`"==" needs a text, a number or a truth value, not ${typeOf(held)}`);
}

function isIn(held: unknown, value: string): boolean {
  if (typeof held === "string") return held.includes(value);
  if (Array.isArray(held)) return held.some((item) => item === value);
  if (typeof held === "object" && held !== null) return Object.hasOwn(held, value);
  throw invalidFilter(`"in" and "contains" need a text, a list or a map, not ${typeOf(held)}`);
}

function isEmpty(held: unknown): boolean {
  if (typeof held === "string") return held === "";
  if (typeof held === "object") return held === null || Object.keys(held).length === 0;
  throw invalidFilter(`"is empty" needs a text, a list or a map, not ${typeOf(held)}`);
}

function typeOf(held: unknown): string {
  return Array.isArray(held) ? "a list" : held === null ? "nothing" : `of type ${typeof held}`;
}

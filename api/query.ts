/**
 * The query of a request. Consul's habits: a flag counts when it is there, whatever its value; values that
 * cannot be read are 400 with a fixed text.
 */
import { FabricError } from "../errors/index.ts";
import { parseGoDuration } from "../registry/index.ts";

export class Query {
  static readonly none = new Query("");
  readonly #text: string;
  #parsed: URLSearchParams | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  get #params(): URLSearchParams {
    this.#parsed ??= new URLSearchParams(this.#text);
    return this.#parsed;
  }

  /** Keeps the text only, until something is asked again: for requests that wait. */
  release(): void {
    this.#parsed = undefined;
  }

  /** As it came. */
  get text(): string {
    return this.#text;
  }

  /** Each once. */
  names(): readonly string[] {
    return [...new Set(this.#params.keys())];
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  /** "" when absent. */
  get(name: string): string {
    return this.#params.get(name) ?? "";
  }

  all(name: string): readonly string[] {
    return this.#params.getAll(name);
  }

  /** @throws API_BAD_REQUEST with `message` unless absent, or an unsigned 64-bit number */
  uint(name: string, message: string): bigint | undefined {
    const text = this.get(name);
    if (text === "") return undefined;
    if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) throw badRequest(message);
    return BigInt(text);
  }

  /** Milliseconds. @throws API_BAD_REQUEST with `message` */
  duration(name: string, message: string): number | undefined {
    const text = this.get(name);
    if (text === "") return undefined;
    const ms = parseGoDuration(text);
    if (ms === undefined || ms < 0) throw badRequest(message);
    return ms;
  }

  /** As Go's ParseBool, and true when empty. @throws API_BAD_REQUEST with `message` */
  flag(name: string, message: string): boolean {
    if (!this.has(name)) return false;
    const text = this.get(name);
    if (["", "1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
    if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
    throw badRequest(message);
  }
}

/** The message is the body of the answer, word for word. */
export function badRequest(message: string): FabricError {
  return new FabricError("API_BAD_REQUEST", message);
}

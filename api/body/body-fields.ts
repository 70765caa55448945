/**
 * Reads the fields of a JSON body as Consul does: names in any case and with underscores (`ServiceID`,
 * `serviceid`, `service_id`), absent and null alike, durations as Go text or as nanoseconds. A field of
 * another type than expected is 400 `Request decode failed: …`.
 */
import { parseGoDuration } from "../../registry/index.ts";
import { badRequest } from "../query.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

export class BodyFields {
  readonly #fields = new Map<string, unknown>();
  /** As they were written. */
  readonly #written = new Map<string, string>();
  readonly #path: string;

  /** @throws API_BAD_REQUEST */
  static parse(body: Uint8Array): BodyFields {
    return BodyFields.of(parseJson(body), "");
  }

  /** A list of objects. @throws API_BAD_REQUEST */
  static parseList(body: Uint8Array): readonly BodyFields[] {
    const json = parseJson(body);
    if (!Array.isArray(json)) throw failed("the body must be a list");
    return json.map((item, at) => BodyFields.of(item, `[${at}]`));
  }

  static of(json: unknown, path: string): BodyFields {
    if (!isObject(json)) throw failed(`${path || "the body"} must be an object`);
    return new BodyFields(json, path);
  }

  private constructor(object: Readonly<Record<string, unknown>>, path: string) {
    this.#path = path;
    for (const [name, value] of Object.entries(object)) {
      const plain = name.toLowerCase().replaceAll("_", "");
      this.#written.set(plain, name);
      if (value !== null) this.#fields.set(plain, value);
    }
  }

  /** Nothing is said. */
  get isEmpty(): boolean {
    return this.#fields.size === 0;
  }

  /** A misspelt field must not pass for one that is absent. `known`: names as in `value`. @throws API_BAD_REQUEST */
  refuseUnknown(known: ReadonlySet<string>): void {
    for (const [plain, name] of this.#written)
      if (!known.has(plain)) throw failed(`json: unknown field ${JSON.stringify(name)}`);
  }

  /** The first of the names that is there; names in lower case without underscores. */
  value(...names: readonly string[]): unknown {
    return names.map((name) => this.#fields.get(name)).find((value) => value !== undefined);
  }

  text(...names: readonly string[]): string | undefined {
    return this.#typed(names, "a string", (value) => (typeof value === "string" ? value : undefined));
  }

  number(...names: readonly string[]): number | undefined {
    return this.#typed(names, "a number", (value) => (typeof value === "number" ? value : undefined));
  }

  /** An unsigned 64-bit number; beyond 2^53 JSON has lost its last digits already. */
  uint(...names: readonly string[]): bigint | undefined {
    return this.#typed(names, "an unsigned 64-bit number", (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 64
        ? BigInt(value)
        : undefined,
    );
  }

  boolean(...names: readonly string[]): boolean | undefined {
    return this.#typed(names, "true or false", (value) => (typeof value === "boolean" ? value : undefined));
  }

  texts(...names: readonly string[]): string[] | undefined {
    return this.#typed(names, "a list of strings", (value) => (isTexts(value) ? value : undefined));
  }

  /** Keys stay as they are. */
  textMap(...names: readonly string[]): Record<string, string> | undefined {
    return this.#typed(names, "an object of strings", (value) =>
      isObject(value) && isTexts(Object.values(value)) ? (value as Record<string, string>) : undefined,
    );
  }

  object(...names: readonly string[]): BodyFields | undefined {
    const value = this.value(...names);
    return value === undefined ? undefined : BodyFields.of(value, this.#name(names));
  }

  /** Name as it is → fields. */
  objects(...names: readonly string[]): (readonly [string, BodyFields])[] {
    const map = this.#typed(names, "an object", (value) => (isObject(value) ? value : undefined)) ?? {};
    return Object.entries(map).map(([name, value]) => [name, BodyFields.of(value, this.#name(names))]);
  }

  list(...names: readonly string[]): readonly BodyFields[] {
    const list = this.#typed(names, "a list", (value) => (Array.isArray(value) ? value : undefined)) ?? [];
    return list.filter((value) => value !== null).map((value) => BodyFields.of(value, this.#name(names)));
  }

  /** Milliseconds. "" counts as absent. */
  durationMs(...names: readonly string[]): number | undefined {
    const value = this.value(...names);
    if (value === undefined || value === "") return undefined;
    if (typeof value === "number") return value / 1e6;
    const ms = typeof value === "string" ? parseGoDuration(value) : undefined;
    if (ms === undefined)
      throw failed(`time: invalid duration ${JSON.stringify(value)} for ${this.#name(names)}, as in "10s"`);
    return ms;
  }

  #typed<T>(
    names: readonly string[],
    expected: string,
    read: (value: unknown) => T | undefined,
  ): T | undefined {
    const value = this.value(...names);
    if (value === undefined) return undefined;
    const typed = read(value);
    if (typed === undefined) throw failed(`${this.#name(names)} must be ${expected}`);
    return typed;
  }

  #name(names: readonly string[]): string {
    return this.#path === "" ? (names[0] ?? "") : `${this.#path}.${names[0]}`;
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch (error) {
    throw failed(error instanceof Error ? error.message : "invalid JSON");
  }
}

function failed(why: string): Error {
  return badRequest(`Request decode failed: ${why}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

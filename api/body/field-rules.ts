/** What every reader of bodies holds to: what is not there is refused by name, what is absent gets its default. */
import { FabricError } from "../../errors/index.ts";
import type { BodyFields } from "./body-fields.ts";

/** @throws API_UNSUPPORTED when one of them says anything */
export function refuse(body: BodyFields, names: readonly string[], what: string): void {
  for (const name of names) {
    if (!isEmpty(body.value(name)))
      throw new FabricError("API_UNSUPPORTED", `Heddle does not support ${name} in a ${what}`);
  }
}

/** Also what answers hold where there is nothing, so that an answer can be sent back. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== "object" || value === null)
    return [undefined, null, "", false, 0].includes(value as never);
  return Object.values(value).every(isEmpty);
}

/** Drops what is absent, so that it gets its default. */
export function present<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""),
  ) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

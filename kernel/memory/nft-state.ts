/**
 * nftables of the twin: the JSON objects of each table (libnftables-json(5)), changed by the same commands and
 * in one transaction. It knows tables, chains, rules, sets, maps and elements, and refuses what has no parent;
 * it does not check expressions.
 */
import { FabricError } from "../../errors/index.ts";

type NftObject = Record<string, unknown>;
/** Name of the kind → the object's fields, as in `{"chain": {…}}`. */
interface Entry {
  readonly kind: string;
  readonly fields: NftObject;
}

type TableKey = `${string} ${string}`;

const listOrder = ["table", "set", "map", "chain", "rule"];

export class NftState {
  #tables = new Map<TableKey, Entry[]>();
  #handle = 0;

  /** All commands or none. Answers which tables changed. @throws KERNEL_NFT_REFUSED */
  run(commands: readonly unknown[]): readonly TableKey[] {
    const before = this.#tables;
    this.#tables = new Map([...before].map(([key, entries]) => [key, [...entries]]));
    try {
      for (const command of commands) this.#runOne(command);
    } catch (error) {
      this.#tables = before;
      throw error;
    }
    const keys = new Set([...before.keys(), ...this.#tables.keys()]);
    return [...keys].filter((key) => !sameEntries(before.get(key), this.#tables.get(key)));
  }

  list(family: string, name: string): readonly unknown[] | undefined {
    const entries = this.#tables.get(tableKey(family, name));
    if (!entries) return undefined;
    const sorted = entries.toSorted((a, b) => listOrder.indexOf(a.kind) - listOrder.indexOf(b.kind));
    return structuredClone(sorted.map(({ kind, fields }) => ({ [kind]: fields })));
  }

  #runOne(command: unknown): void {
    const [verb, object] = onlyEntry(command);
    if (verb === "metainfo") return;
    const [kind, fields] = onlyEntry(object);
    switch (verb) {
      case "add":
      case "insert":
      case "create":
        this.#add(verb, { kind, fields: structuredClone(fields) as NftObject });
        break;
      case "delete":
      case "destroy":
        this.#delete(verb, kind, fields as NftObject);
        break;
      case "flush":
        this.#flush(kind, fields as NftObject);
        break;
      default:
        throw refused(`unknown command ${verb}`);
    }
  }

  #add(verb: "add" | "insert" | "create", entry: Entry): void {
    const { kind, fields } = entry;
    if (kind === "table") {
      const key = tableKey(fields["family"], fields["name"]);
      if (!this.#tables.has(key)) this.#tables.set(key, [this.#numbered(entry)]);
      else if (verb === "create") throw refused(`File exists: table ${key}`);
      return;
    }
    const entries = this.#entriesOf(fields);
    if (kind === "element") {
      this.#addElements(entries, fields);
      return;
    }
    if (kind === "rule") {
      findEntry(entries, "chain", fields["chain"]);
      const at = verb === "insert" ? entries.findIndex(isRuleOf(fields["chain"])) : -1;
      entries.splice(at < 0 ? entries.length : at, 0, this.#numbered(entry));
      return;
    }
    if (entries.some((other) => other.kind === kind && other.fields["name"] === fields["name"])) {
      if (verb === "create") throw refused(`File exists: ${kind} ${String(fields["name"])}`);
      if (Array.isArray(fields["elem"])) this.#addElements(entries, fields);
      return;
    }
    entries.push(this.#numbered(entry));
  }

  #numbered(entry: Entry): Entry {
    return { kind: entry.kind, fields: { ...entry.fields, handle: ++this.#handle } };
  }

  #addElements(entries: Entry[], fields: NftObject): void {
    const { at, entry } = findEntry(entries, ["set", "map"], fields["name"]);
    const old = elementsOf(entry.fields);
    const known = new Map(old.map((element) => [keyOf(element), JSON.stringify(element)]));
    const added: unknown[] = [];
    for (const element of elementsOf(fields)) {
      const text = known.get(keyOf(element));
      if (text === undefined) added.push(element);
      else if (entry.kind === "map" && text !== JSON.stringify(element))
        throw refused(`File exists: element ${text}`);
    }
    entries[at] = { kind: entry.kind, fields: { ...entry.fields, elem: [...old, ...added] } };
  }

  #delete(verb: "delete" | "destroy", kind: string, fields: NftObject): void {
    const mayBeMissing = verb === "destroy";
    if (kind === "table") {
      if (!this.#tables.delete(tableKey(fields["family"], fields["name"])) && !mayBeMissing)
        throw refused(`No such file or directory: table ${String(fields["name"])}`);
      return;
    }
    const entries = this.#entriesOf(fields);
    if (kind === "element") {
      dropElements(entries, fields);
      return;
    }
    const isMeant = (entry: Entry) =>
      entry.kind === kind &&
      (fields["handle"] === undefined
        ? entry.fields["name"] === fields["name"]
        : entry.fields["handle"] === fields["handle"]);
    const at = entries.findIndex(isMeant);
    if (at < 0 && mayBeMissing) return;
    if (at < 0)
      throw refused(`No such file or directory: ${kind} ${String(fields["name"] ?? fields["handle"])}`);
    if (kind === "chain" && entries.some(isRuleOf(fields["name"])))
      throw refused(`Device or resource busy: chain ${String(fields["name"])} has rules`);
    entries.splice(at, 1);
  }

  #flush(kind: string, fields: NftObject | null): void {
    if (kind === "ruleset" || fields === null) {
      this.#tables.clear();
      return;
    }
    const entries = this.#entriesOf(kind === "table" ? { ...fields, table: fields["name"] } : fields);
    if (kind === "set" || kind === "map") {
      const { at, entry } = findEntry(entries, [kind], fields["name"]);
      const { elem: _gone, ...rest } = entry.fields;
      entries[at] = { kind, fields: rest };
      return;
    }
    const isFlushed = kind === "table" ? (entry: Entry) => entry.kind === "rule" : isRuleOf(fields["name"]);
    if (kind === "chain") findEntry(entries, "chain", fields["name"]);
    entries.splice(0, entries.length, ...entries.filter((entry) => !isFlushed(entry)));
  }

  #entriesOf(fields: NftObject): Entry[] {
    const entries = this.#tables.get(tableKey(fields["family"], fields["table"]));
    if (!entries)
      throw refused(`No such file or directory: table ${tableKey(fields["family"], fields["table"])}`);
    return entries;
  }
}

/** Entries are replaced, never changed. */
function sameEntries(a: readonly Entry[] | undefined, b: readonly Entry[] | undefined): boolean {
  return a?.length === b?.length && (a ?? []).every((entry, i) => entry === b?.[i]);
}

function tableKey(family: unknown, name: unknown): TableKey {
  return `${String(family)} ${String(name)}`;
}

function onlyEntry(value: unknown): readonly [string, unknown] {
  const [first] = typeof value === "object" && value !== null ? Object.entries(value) : [];
  if (!first) throw refused(`invalid JSON command ${JSON.stringify(value)?.slice(0, 200)}`);
  return first;
}

function findEntry(
  entries: readonly Entry[],
  kind: string | readonly string[],
  name: unknown,
): { at: number; entry: Entry } {
  const at = entries.findIndex((entry) => kind.includes(entry.kind) && entry.fields["name"] === name);
  const entry = entries[at];
  if (!entry) throw refused(`No such file or directory: ${String(kind)} ${String(name)}`);
  return { at, entry };
}

function isRuleOf(chain: unknown): (entry: Entry) => boolean {
  return (entry) => entry.kind === "rule" && entry.fields["chain"] === chain;
}

function elementsOf(fields: NftObject): readonly unknown[] {
  return Array.isArray(fields["elem"]) ? fields["elem"] : [];
}

/** An element of a map is a pair `[key, value]`; of a set, the key or `{"elem": {"val": key, …}}`. */
function keyOf(element: unknown): string {
  const inner = Array.isArray(element) ? element[0] : element;
  const wrapped = (inner as { elem?: { val?: unknown } } | null)?.elem?.val;
  return JSON.stringify(wrapped ?? inner);
}

function dropElements(entries: Entry[], fields: NftObject): void {
  const { at, entry } = findEntry(entries, ["set", "map"], fields["name"]);
  const gone = new Set(elementsOf(fields).map(keyOf));
  const standing = new Set(elementsOf(entry.fields).map(keyOf));
  for (const key of gone) if (!standing.has(key)) throw refused(`No such file or directory: element ${key}`);
  const { elem: _old, ...rest } = entry.fields;
  const kept = elementsOf(entry.fields).filter((element) => !gone.has(keyOf(element)));
  entries[at] = { kind: entry.kind, fields: kept.length > 0 ? { ...rest, elem: kept } : rest };
}

function refused(text: string): FabricError {
  return new FabricError("KERNEL_NFT_REFUSED", `apply an nftables ruleset: nft says: Error: ${text}`, {
    details: { text },
  });
}

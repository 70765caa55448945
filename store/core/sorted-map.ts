/**
 * An immutable map ordered by string key: a B+ tree whose updates copy one path and share the rest.
 *
 * Always holds: a map never changes, so a reader, a page or a transaction not committed yet each keep their own
 * version for free; every leaf is at the same depth; a branch's `keys[i]` is ≤ every key of `children[i]` and
 * > every key of `children[i - 1]`.
 * Cost at 100,000 keys (4 levels of ≤ 32): about 1 µs a get or put; a range costs its length.
 */
const nodeMax = 32;
const nodeMin = 8;
/** What a split leaves on the left: keys written in order then fill nodes to 7/8 instead of leaving halves behind. */
const nodeFill = 28;

interface Leaf<V> {
  readonly kind: "leaf";
  readonly keys: readonly string[];
  readonly values: readonly V[];
}
interface Branch<V> {
  readonly kind: "branch";
  readonly keys: readonly string[];
  readonly children: readonly Node<V>[];
}
type Node<V> = Leaf<V> | Branch<V>;

export class SortedMap<V> {
  readonly size: number;
  readonly #root: Node<V>;

  private constructor(root: Node<V>, size: number) {
    this.#root = root;
    this.size = size;
  }

  static empty<V>(): SortedMap<V> {
    return new SortedMap<V>({ kind: "leaf", keys: [], values: [] }, 0);
  }

  /** The map of these entries; fastest when they come in order. Of equal keys the last one counts. */
  static from<V>(entries: readonly (readonly [string, V])[]): SortedMap<V> {
    if (
      !entries.every(([key], index) => index === 0 || (entries[index - 1] as readonly [string, V])[0] < key)
    ) {
      return entries.reduce((map, [key, value]) => map.with(key, value), SortedMap.empty<V>());
    }
    let level: Node<V>[] = chunks(entries).map((part) => ({
      kind: "leaf",
      keys: part.map(([key]) => key),
      values: part.map(([, value]) => value),
    }));
    while (level.length > 1) level = chunks(level).map(branch);
    return new SortedMap(level[0] ?? { kind: "leaf", keys: [], values: [] }, entries.length);
  }

  get(key: string): V | undefined {
    let node = this.#root;
    while (node.kind === "branch") node = node.children[childIndex(node.keys, key)] as Node<V>;
    const index = lowerBound(node.keys, key);
    return node.keys[index] === key ? node.values[index] : undefined;
  }

  with(key: string, value: V): SortedMap<V> {
    const [first, second] = insert(this.#root, key, value);
    const root: Node<V> = second ? branch([first, second]) : first;
    return new SortedMap(root, this.size + (this.get(key) === undefined ? 1 : 0));
  }

  without(key: string): SortedMap<V> {
    if (this.get(key) === undefined) return this;
    let root = remove(this.#root, key);
    while (root.kind === "branch" && root.children.length === 1) root = root.children[0] as Node<V>;
    return new SortedMap(root, this.size - 1);
  }

  /** Calls `visit` for each entry from `from` (inclusive) in order until it answers false. */
  scan(from: string, visit: (key: string, value: V) => boolean): void {
    scanNode(this.#root, from, visit);
  }

  /** Values of the keys that begin with `prefix` and are ≥ `from`, in order, at most `limit`. */
  prefix(prefix: string, limit = Number.POSITIVE_INFINITY, from = prefix): V[] {
    const values: V[] = [];
    if (limit <= 0) return values;
    this.scan(from > prefix ? from : prefix, (key, value) => {
      if (!key.startsWith(prefix)) return false;
      values.push(value);
      return values.length < limit;
    });
    return values;
  }
}

function chunks<T>(list: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < list.length; start += nodeFill) parts.push(list.slice(start, start + nodeFill));
  return parts;
}

/** First index whose key is ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child that holds `key` if any does. */
function childIndex(keys: readonly string[], key: string): number {
  const index = lowerBound(keys, key);
  return keys[index] === key ? index : Math.max(0, index - 1);
}

function branch<V>(children: readonly Node<V>[]): Branch<V> {
  return { kind: "branch", keys: children.map((child) => child.keys[0] as string), children };
}

function insert<V>(node: Node<V>, key: string, value: V): [Node<V>, Node<V>?] {
  if (node.kind === "branch") {
    const index = childIndex(node.keys, key);
    const parts = insert(node.children[index] as Node<V>, key, value) as Node<V>[];
    return split(branch(node.children.toSpliced(index, 1, ...parts)));
  }
  const index = lowerBound(node.keys, key);
  if (node.keys[index] === key) return [{ ...node, values: node.values.with(index, value) }];
  return split({
    kind: "leaf",
    keys: node.keys.toSpliced(index, 0, key),
    values: node.values.toSpliced(index, 0, value),
  });
}

function split<V>(node: Node<V>): [Node<V>, Node<V>?] {
  if (node.keys.length <= nodeMax) return [node];
  return [slice(node, 0, nodeFill), slice(node, nodeFill)];
}

function slice<V>(node: Node<V>, start: number, end?: number): Node<V> {
  const keys = node.keys.slice(start, end);
  return node.kind === "leaf"
    ? { kind: "leaf", keys, values: node.values.slice(start, end) }
    : { kind: "branch", keys, children: node.children.slice(start, end) };
}

/** `key` is there. A child that got too small joins its neighbour. */
function remove<V>(node: Node<V>, key: string): Node<V> {
  if (node.kind === "leaf") {
    const index = lowerBound(node.keys, key);
    return { kind: "leaf", keys: node.keys.toSpliced(index, 1), values: node.values.toSpliced(index, 1) };
  }
  const index = childIndex(node.keys, key);
  const child = remove(node.children[index] as Node<V>, key);
  if (child.keys.length >= nodeMin || node.children.length === 1) {
    return branch(node.children.with(index, child));
  }
  const left = index > 0 ? index - 1 : 0;
  const other = node.children[index > 0 ? left : 1] as Node<V>;
  const joined = index > 0 ? join(other, child) : join(child, other);
  return branch(node.children.toSpliced(left, 2, ...(split(joined) as Node<V>[])));
}

function join<V>(left: Node<V>, right: Node<V>): Node<V> {
  const keys = [...left.keys, ...right.keys];
  if (left.kind === "leaf" && right.kind === "leaf") {
    return { kind: "leaf", keys, values: [...left.values, ...right.values] };
  }
  const children = [left, right].flatMap((node) => (node.kind === "branch" ? node.children : []));
  return { kind: "branch", keys, children };
}

function scanNode<V>(node: Node<V>, from: string, visit: (key: string, value: V) => boolean): boolean {
  if (node.kind === "leaf") {
    for (let index = lowerBound(node.keys, from); index < node.keys.length; index++) {
      if (!visit(node.keys[index] as string, node.values[index] as V)) return false;
    }
    return true;
  }
  for (let index = childIndex(node.keys, from); index < node.children.length; index++) {
    if (!scanNode(node.children[index] as Node<V>, from, visit)) return false;
  }
  return true;
}

/**
 * Which instances provide what, by every path and every path above it. A search takes the need that the fewest meet and
 * looks at those alone: its cost is the rarest need's, whatever the number of instances (0.2 µs a candidate).
 */
import type { ServiceEntry } from "../model.ts";
import { meets, prefixesOf, providesMeta, readProvides } from "./resource-paths.ts";

export class ResourceIndex {
  /** Path → instances that meet the need for it. */
  readonly #byPath = new Map<string, Set<ServiceEntry>>();

  put(service: ServiceEntry): void {
    for (const path of pathsOf(service).met) {
      const services = this.#byPath.get(path);
      if (services) services.add(service);
      else this.#byPath.set(path, new Set([service]));
    }
  }

  delete(service: ServiceEntry): void {
    for (const path of pathsOf(service).met) {
      const services = this.#byPath.get(path);
      services?.delete(service);
      if (services?.size === 0) this.#byPath.delete(path);
    }
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** Those that meet every need, in no order; at least one need. */
  providersOf(needs: readonly string[]): ServiceEntry[] {
    let fewest: ReadonlySet<ServiceEntry> | undefined;
    for (const need of needs) {
      const services = this.#byPath.get(need);
      if (!services) return [];
      if (!fewest || services.size < fewest.size) fewest = services;
    }
    const found: ServiceEntry[] = [];
    for (const service of fewest ?? []) {
      const { provided } = pathsOf(service);
      if (needs.every((need) => meets(provided, need))) found.push(service);
    }
    return found;
  }
}

interface Paths {
  readonly provided: readonly string[];
  /** Needs that it meets. */
  readonly met: readonly string[];
}

const nothing: Paths = { provided: [], met: [] };
/** Records never change, so what was read of one stays true. */
const known = new WeakMap<object, Paths>();

/** What an instance provides; a record that cannot be read, of another release, provides nothing. */
export function pathsOf(service: ServiceEntry): Paths {
  const text = service.meta[providesMeta];
  if (text === undefined) return nothing;
  let paths = known.get(service);
  if (!paths) {
    paths = parse(text);
    known.set(service, paths);
  }
  return paths;
}

function parse(text: string): Paths {
  try {
    const provided = readProvides(text);
    return { provided, met: [...new Set(provided.flatMap(prefixesOf))] };
  } catch {
    return nothing;
  }
}

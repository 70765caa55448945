/**
 * SkyDNS's stub zones: records at `skydns/local/skydns/dns/stub/com/example/ns1` name the servers of `example.com`. They
 * are asked before anything else is looked at, as SkyDNS's README has it ("Stub Zones"), for what is below `example.com`.
 *
 * Whoever may write these keys says where names lead, so what is ours stays ours: a zone above or at one of our
 * domains, or below one that is not SkyDNS's, is passed over, as is a host that is no address.
 *
 * What is known is kept while nothing newer can be had. A question waits for it only until it was read, or could not be,
 * for the first time.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { NameServer } from "../client/index.ts";
import { skyDnsPath } from "../names/index.ts";
import { type CatalogChange, type CatalogReader, changeKey } from "../resolver/index.ts";
import { isPlainName } from "../wire/index.ts";
import { parseSkyRecord } from "./sky-record.ts";

export interface StubZone {
  readonly zone: string;
  readonly servers: readonly NameServer[];
}

export interface StubRules {
  /** Of SkyDNS. */
  readonly domain: string;
  /** All of ours, that one among them. */
  readonly domains: readonly string[];
  readonly zonesMax: number;
  readonly serversMax: number;
}

export interface StubZonesOptions extends StubRules {
  readonly catalog: CatalogReader;
  readonly clock: Clock;
  /** What is asked for now and then is kept current by the catalog. */
  readonly refreshMs: number;
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

const dnsPort = 53;

/** In the order of keys; what is beyond the bounds is left out. */
export function readStubZones(values: ReadonlyMap<string, string>, rules: StubRules): readonly StubZone[] {
  const depth = stubPath(rules.domain).split("/").length;
  const zones = new Map<string, NameServer[]>();
  for (const [key, value] of [...values].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const zone = key.split("/").slice(depth, -1).toReversed().join(".");
    const { ip, port } = parseSkyRecord(key, value) ?? {};
    if (ip === undefined || !mayBeStub(zone, rules)) continue;
    const servers = zones.get(zone) ?? [];
    if (servers.length >= rules.serversMax || (servers.length === 0 && zones.size >= rules.zonesMax))
      continue;
    zones.set(zone, [...servers, { address: ip, port: port || dnsPort }]);
  }
  return [...zones].map(([zone, servers]) => ({ zone, servers }));
}

export class StubZones {
  readonly #options: StubZonesOptions;
  readonly #source: string;
  #zones: readonly StubZone[] = [];
  #first: Promise<void> | undefined;
  #unsubscribe: () => void = () => {};
  #timer: Timer | undefined;

  constructor(options: StubZonesOptions) {
    this.#options = options;
    this.#source = changeKey({ kind: "keys", path: stubPath(options.domain) });
  }

  start(): void {
    this.#unsubscribe = this.#options.catalog.onChange((change) => {
      if (this.#concerns(change)) void this.#refresh();
    });
    this.#first = this.#refresh().then(() => {
      this.#first = undefined;
    });
    this.#arm();
  }

  stop(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  /** Those of now; another list after each change. */
  get zones(): readonly StubZone[] {
    return this.#zones;
  }

  /** Undefined once they were read, or could not be. */
  get whenKnown(): Promise<void> | undefined {
    return this.#first;
  }

  async #refresh(): Promise<void> {
    const { catalog, domain, onChange, onFailure } = this.#options;
    try {
      const { values, complete } = await catalog.keys(stubPath(domain));
      if (!complete) return;
      const zones = readStubZones(values, this.#options);
      if (JSON.stringify(zones) === JSON.stringify(this.#zones)) return;
      this.#zones = zones;
      onChange();
    } catch (error) {
      onFailure(error);
    }
  }

  #concerns(change: CatalogChange): boolean {
    return change.kind === "all" || changeKey(change) === this.#source;
  }

  #arm(): void {
    const { clock, refreshMs } = this.#options;
    this.#timer = clock.setTimer(refreshMs, () => {
      void this.#refresh();
      this.#arm();
    });
  }
}

function stubPath(domain: string): string {
  return skyDnsPath(["stub", "dns", ...domain.split(".")]).path;
}

function mayBeStub(zone: string, { domain, domains }: StubRules): boolean {
  const isBelow = (name: string, other: string) => name.endsWith(`.${other}`);
  if (zone === "" || !isPlainName(zone)) return false;
  return domains.every(
    (own) => own !== zone && !isBelow(own, zone) && (own === domain || !isBelow(zone, own)),
  );
}

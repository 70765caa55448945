/**
 * The requests of Prometheus's `consul_sd_configs`, byte for byte as its Go client writes them, and the labels that it
 * makes of the answers (prometheus/discovery/consul/consul.go): stands in for a Prometheus that was built without. One
 * blocking watch of the catalog's services, and one of each service's health; an index that did not move is no news.
 */
import { z } from "zod";

/** What Prometheus knows of a target before relabelling. */
export type DiscoveredLabels = Readonly<Record<string, string>>;

const wait = "120000ms";
const selfShape = z.object({ Config: z.object({ Datacenter: z.string() }) });
const servicesShape = z.record(z.string(), z.array(z.string()));
const entriesShape = z.array(
  z.object({
    Node: z.object({
      Node: z.string(),
      Address: z.string(),
      Meta: z.record(z.string(), z.string()),
      TaggedAddresses: z.record(z.string(), z.string()),
    }),
    Service: z.object({
      ID: z.string(),
      Address: z.string(),
      Port: z.int(),
      Tags: z.array(z.string()),
      Meta: z.record(z.string(), z.string()),
    }),
    Checks: z.array(z.object({ Status: z.enum(["passing", "warning", "critical"]) })),
  }),
);

export class ConsulDiscovery {
  readonly #server: string;
  /** Of the servers' `tag`s: all are needed. */
  readonly #tags: readonly string[];
  readonly #over = new AbortController();
  readonly #groups = new Map<string, readonly DiscoveredLabels[]>();
  readonly #watches = new Map<string, AbortController>();
  #failure: unknown;

  /** @param server `HOST:PORT` */
  constructor(server: string, tags: readonly string[]) {
    this.#server = server;
    this.#tags = tags;
    void this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** Targets of now. @throws what went wrong in any watch */
  targets(): readonly DiscoveredLabels[] {
    if (this.#failure !== undefined) throw this.#failure;
    return [...this.#groups.values()].flat();
  }

  stop(): void {
    this.#over.abort();
  }

  async #run(): Promise<void> {
    const { Config } = selfShape.parse((await this.#get("/v1/agent/self", this.#over.signal)).body);
    await this.#watch("/v1/catalog/services", [], this.#over.signal, (body) => {
      const names = Object.entries(servicesShape.parse(body))
        .filter(([, tags]) => this.#tags.every((tag) => tags.includes(tag)))
        .map(([name]) => name);
      for (const name of names) if (!this.#watches.has(name)) this.#watchService(name, Config.Datacenter);
      for (const [name, watch] of this.#watches) {
        if (names.includes(name)) continue;
        watch.abort();
        this.#watches.delete(name);
        this.#groups.delete(name);
      }
    });
  }

  #watchService(name: string, datacenter: string): void {
    const over = new AbortController();
    this.#watches.set(name, over);
    const signal = AbortSignal.any([this.#over.signal, over.signal]);
    const tags = this.#tags.map((tag) => `tag=${encodeURIComponent(tag)}`);
    const labels = { __meta_consul_service: name, __meta_consul_dc: datacenter };
    this.#watch(`/v1/health/service/${encodeURIComponent(name)}`, tags, signal, (body) => {
      this.#groups.set(
        name,
        entriesShape.parse(body).map((entry) => ({ ...labels, ...labelsOf(entry) })),
      );
    }).catch((error: unknown) => this.#fail(error));
  }

  async #watch(
    path: string,
    parameters: readonly string[],
    signal: AbortSignal,
    onNews: (body: unknown) => void,
  ): Promise<void> {
    for (let index = "0"; !signal.aborted; ) {
      const blocking = index === "0" ? [] : [`index=${index}`];
      const query = [...blocking, "stale=", ...parameters, `wait=${wait}`].join("&");
      const answer = await this.#get(`${path}?${query}`, signal);
      if (answer.index === index) continue;
      index = answer.index;
      if (!signal.aborted) onNews(answer.body);
    }
  }

  async #get(path: string, signal: AbortSignal): Promise<{ readonly body: unknown; readonly index: string }> {
    const response = await fetch(`http://${this.#server}${path}`, { signal });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    return { body: JSON.parse(text), index: response.headers.get("x-consul-index") ?? "" };
  }

  #fail(error: unknown): void {
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.#failure ??= error;
  }
}

function labelsOf({ Node, Service, Checks }: z.infer<typeof entriesShape>[number]): DiscoveredLabels {
  const statuses = Checks.map(({ Status }) => Status);
  const health = (["critical", "warning"] as const).find((status) => statuses.includes(status)) ?? "passing";
  const spread = (prefix: string, map: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(map).map(([key, value]) => [`${prefix}${key.replaceAll(/[^a-zA-Z0-9_]/g, "_")}`, value]),
    );
  return {
    __address__: `${Service.Address || Node.Address}:${Service.Port}`,
    __meta_consul_address: Node.Address,
    __meta_consul_node: Node.Node,
    __meta_consul_tags: `,${Service.Tags.join(",")},`,
    __meta_consul_service_address: Service.Address,
    __meta_consul_service_port: String(Service.Port),
    __meta_consul_service_id: Service.ID,
    __meta_consul_health: health,
    ...spread("__meta_consul_metadata_", Node.Meta),
    ...spread("__meta_consul_service_metadata_", Service.Meta),
    ...spread("__meta_consul_tagged_address_", Node.TaggedAddresses),
  };
}

/**
 * The node's network: its addresses, its kernel, its endpoints and the CNI socket, following the `fabric` view.
 *
 * A node whose right to allocate has run out keeps its containers but leaves the fabric: its plan has no other
 * node any more, so what it sends into a pool meets the unreachable route. A node that was reclaimed meanwhile
 * comes back in a new epoch, and detaches what it held in the old one before anything else (see term.ts).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ComponentStatus } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { JoinedTerm, ServerWelcome, ViewHandle } from "../../control/index.ts";
import {
  type BlockSource,
  type BootClock,
  type EmptyBlocksRequest,
  encodeStatement,
  NodeIpam,
  peersAfter,
  storeLeaseJournal,
  systemBootClock,
} from "../../ipam/index.ts";
import type { Kernel } from "../../kernel/index.ts";
import {
  type FabricSelf,
  fabricMtu,
  hostInterfaceName,
  isHostEnd,
  type PublishedPort,
  Reconciler,
  underlayMtu,
} from "../../overlay/index.ts";
import { CniPlugin, CniServer, EndpointService, hasLeases } from "../../plugins/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log } from "../process/log.ts";
import { cniSocket } from "../process/options.ts";
import type { Teardown } from "../process/teardown.ts";
import { hostStateJournal } from "./agent-journal.ts";
import { desiredOf, emptyFabricView, type FabricView, readFabricView } from "./fabric-view.ts";
import { ipamComponent } from "./ipam-component.ts";
import { leftovers } from "./leftovers.ts";
import { NodeAddress } from "./node-address.ts";
import { Term } from "./term.ts";

export interface DataplaneOptions {
  readonly kernel: Kernel;
  readonly journal: Store;
  readonly clock: Clock;
  readonly self: FabricSelf;
  readonly source: BlockSource;
  readonly fabric: ViewHandle;
  /** Tells the servers that nothing of an earlier term of this node is in use any more. */
  readonly relinquish: (epoch: number) => Promise<void>;
  readonly runDir: string;
  readonly log: Log;
  /** Other than the defaults of the allocator and of this host. */
  readonly terms?: { readonly bootClock: BootClock; readonly marginMs: number };
  readonly netnsExists?: (path: string) => boolean;
}

export class Dataplane {
  readonly ipam: NodeIpam;
  readonly endpoints: EndpointService;
  readonly term: Term;
  readonly reconciler: Reconciler;
  readonly nodeAddress: NodeAddress;
  readonly #options: DataplaneOptions;
  #view: FabricView = emptyFabricView;
  #stale = true;
  #published: () => readonly PublishedPort[] = () => [];
  #isMember = false;
  /** What the view says of this node comes from the servers, not from the cache of an earlier run. */
  #isJoined = false;

  static async open(options: DataplaneOptions, teardown: Teardown): Promise<Dataplane> {
    const { kernel, journal, clock, self, source, fabric, log } = options;
    const ipam = await NodeIpam.open({
      journal: storeLeaseJournal(journal, "leases/"),
      source,
      clock,
      ...(options.terms ?? { bootClock: systemBootClock() }),
      onFenced: (leases) => {
        log.warn(
          { leases: leases.length },
          "this node may not allocate any more and leaves the fabric; its containers keep talking on the node",
        );
        dataplane.#apply();
      },
    });
    teardown.add("ipam", () => ipam.stop());
    const reconciler = new Reconciler({
      kernel,
      journal: hostStateJournal(journal),
      clock,
      onVxlan: (used) => dataplane.nodeAddress.want(used),
    });
    teardown.add("reconciler", () => reconciler.stop());
    const endpoints = await EndpointService.open({
      addresses: ipam,
      links: reconciler,
      store: journal,
      clock,
      mtu: async (network) => source.network(network)?.mtu ?? (await worstPathMtu(kernel, self)),
    });
    teardown.add("endpoints", () => endpoints.idle());
    const { relinquish } = options;
    const term = await Term.open({ journal, clock, ipam, endpoints, relinquish, log });
    const dataplane = new Dataplane(options, ipam, endpoints, term, reconciler);
    teardown.add("node address", () => dataplane.nodeAddress.stop());
    teardown.add(
      "endpoint changes",
      endpoints.onChange(() => dataplane.#apply()),
    );
    teardown.add(
      "fabric view",
      fabric.onChange(() => dataplane.#follow()),
    );
    if (fabric.ready) dataplane.#follow();
    else
      fabric.whenReady().then(
        () => dataplane.#follow(),
        () => undefined,
      );
    return dataplane;
  }

  private constructor(
    options: DataplaneOptions,
    ipam: NodeIpam,
    endpoints: EndpointService,
    term: Term,
    reconciler: Reconciler,
  ) {
    this.#options = options;
    this.ipam = ipam;
    this.endpoints = endpoints;
    this.term = term;
    this.reconciler = reconciler;
    this.nodeAddress = new NodeAddress({
      ipam,
      networks: () => this.view.networks.values(),
      clock: options.clock,
      log: options.log,
      onChange: () => this.#apply(),
    });
  }

  /** Asked at each change for the ports that lead to containers. */
  publishFrom(published: () => readonly PublishedPort[]): void {
    this.#published = published;
    this.#apply();
  }

  /** Resolves when the packet filter has the published ports of now. */
  async republish(): Promise<void> {
    this.#apply();
    await this.reconciler.reconcileNow();
  }

  get view(): FabricView {
    if (this.#stale && this.#options.fabric.ready) {
      this.#view = readFabricView(this.#options.fabric.items);
      this.#stale = false;
    }
    return this.#view;
  }

  /** Networks and a term are known from an earlier run: containers can be served without a server. */
  get worksAlone(): boolean {
    return this.#options.fabric.ready && this.ipam.fenceStatus().kind === "open";
  }

  /** Detaches what a crash or a reboot left behind, and holds the kernel to its plan from then on. */
  async settle(): Promise<void> {
    this.reconciler.start();
    if (this.#options.fabric.ready) await this.reconciler.reconcileNow();
    await this.term.clear();
    await this.#forgetLeftovers();
    await this.#deleteOrphans();
  }

  /** Answers the CNI plugin. */
  async serve(teardown: Teardown): Promise<void> {
    const { clock, runDir, source } = this.#options;
    await this.settle();
    const plugin = new CniPlugin({
      endpoints: this.endpoints,
      addresses: this.ipam,
      networks: source,
      clock,
    });
    const server = await CniServer.listen({
      socketPath: join(runDir, cniSocket),
      clock,
      answer: (request) => plugin.answer(request),
    });
    teardown.add("CNI", () => server.close());
  }

  /** A server told this node's term. */
  async joined(welcome: ServerWelcome): Promise<void> {
    await this.term.joined(welcome);
    this.#isJoined = true;
    this.#apply();
  }

  /** What this node holds, for servers that lost the plan; undefined if it holds nothing of any. */
  statement(): string | undefined {
    const { held } = this.term;
    if (!held) return undefined;
    const { name: node } = this.#options.self;
    const hasLeft = this.ipam.fenceStatus().kind !== "open";
    const { reclaimAfterMs, ...claims } = this.ipam.holdings();
    const { networks, nodes, prefixes } = this.view;
    // A node outside of the fabric has no agent that could speak for it.
    const others = [...nodes.values()].flatMap(({ name, fabric }) => (fabric ? [name] : []));
    return encodeStatement({
      ...held,
      node,
      reclaimAfterMs,
      hasLeft,
      ...(hasLeft ? { blocks: [], statics: [] } : claims),
      networks: hasLeft ? [] : [...networks.values()],
      peers: peersAfter(node, [...others, ...prefixes.keys()]),
    });
  }

  /** A server confirmed this node's term; one that had left the fabric comes back to it. */
  async renewed({ sentAtMs, epoch, reclaimAfterMs }: JoinedTerm): Promise<void> {
    await this.ipam.renewed(sentAtMs, epoch, reclaimAfterMs);
    if (!this.#isMember) this.#apply();
  }

  /** Gives back what the servers ask for. @throws IPAM_UNAVAILABLE */
  async surrender({ network, deleting }: EmptyBlocksRequest): Promise<void> {
    if (deleting) await this.nodeAddress.leave(network);
    await this.ipam.surrenderEmptyBlocks(network);
  }

  components(): readonly ComponentStatus[] {
    const { problems, problemCount, passes, operations } = this.reconciler.status;
    const [problem] = problems;
    const { fabric, self } = this.#options;
    const own = this.view.prefixes.get(self.name) ?? [];
    const claimed = fabric.ready && this.#isJoined ? own.map(({ cidr }) => cidr) : undefined;
    return [
      ipamComponent(this.ipam, claimed),
      {
        name: "overlay",
        state: problemCount === 0 ? "ok" : "degraded",
        summary: problem
          ? `${problemCount} problems, first: ${problem.message}`
          : `${this.endpoints.links().length} endpoints, ${this.view.prefixes.size} nodes with blocks`,
        details: { passes, operations, problems },
      },
      { name: "cni", state: "ok", summary: join(this.#options.runDir, cniSocket) },
    ];
  }

  #follow(): void {
    this.#stale = true;
    this.#apply();
  }

  #apply(): void {
    if (!this.#options.fabric.ready) return;
    const self = { ...this.#options.self, fabric: this.nodeAddress.addresses };
    const fabric = desiredOf(this.view, self, this.endpoints.links());
    const desired = { ...fabric, published: this.#published() };
    this.#isMember = this.ipam.fenceStatus().kind === "open";
    this.reconciler.setDesired(this.#isMember ? desired : { ...desired, remotes: [] });
    this.nodeAddress.look();
  }

  async #forgetLeftovers(): Promise<void> {
    const { kernel, log, netnsExists = existsSync } = this.#options;
    const gone = leftovers(this.endpoints.list(), {
      linkNames: new Set((await kernel.links()).map(({ name }) => name)),
      netnsExists,
      isLeased: (endpoint) => hasLeases(endpoint, this.ipam),
    });
    if (gone.length === 0) return;
    log.info(
      { endpoints: gone.length },
      "detach what ended, or lost its addresses, while the agent did not run",
    );
    for (const error of await this.endpoints.detachAll(gone)) log.warn({ error }, "detach a leftover");
  }

  /** The journal names an endpoint before the kernel has it: a host end that it does not name was to be deleted. */
  async #deleteOrphans(): Promise<void> {
    const { kernel, log } = this.#options;
    const named = new Set(
      this.endpoints.list().map(({ request }) => hostInterfaceName(request.containerId, request.ifname)),
    );
    const orphans = (await kernel.links()).filter((link) => isHostEnd(link) && !named.has(link.name));
    const errors = await kernel.apply(orphans.map(({ index }) => ({ op: "link.delete", link: index })));
    for (const error of errors) if (error) log.warn({ error }, "delete a link that nobody claims");
  }
}

/** What fits every path that a container of this node may take. */
async function worstPathMtu(kernel: Kernel, self: FabricSelf): Promise<number> {
  const [addresses, links] = await Promise.all([kernel.addresses(), kernel.links()]);
  return fabricMtu(underlayMtu(self, { addresses, links }), self.underlay);
}

/**
 * The agent's end of the control protocol: its views and registrations are the real ones, connecting is the
 * simulation's. Registrations are journaled on a disk that loses what was not synced; what was answered must be there
 * after a restart.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { parseIp, parseMac } from "../../../addr/index.ts";
import { helloOf } from "../../../control/agent/greeting.ts";
import { RegistrationSync } from "../../../control/agent/registration-sync.ts";
import { ViewTable } from "../../../control/agent/view-table.ts";
import { controlClientLimits, fabricView, type ViewHandle } from "../../../control/index.ts";
import { type AgentMessage, ServerMessageSchema } from "../../../control/proto/gen/fabric_pb.ts";
import { FabricError } from "../../../errors/index.ts";
import { AgentState } from "../../../registry/index.ts";
import type { AddressNode } from "./address-node.ts";
import { Disk } from "./disk.ts";
import type { Life, Machine } from "./life.ts";
import type { SessionServer } from "./session-server.ts";
import { Violation } from "./violation.ts";
import { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export const serviceView = "service/web";
const heartbeatMs = 2000;
const reconnectMs = 900;
const servicesMax = 4;

/** What one life of the agent holds. */
interface Running {
  readonly state: AgentState;
  readonly views: ViewTable;
  readonly fabric: ViewHandle;
  readonly service: ViewHandle;
  readonly sync: RegistrationSync;
}

export class SessionAgent {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly #world: World;
  readonly #addresses: AddressNode;
  readonly #serverAt: (server: Life) => SessionServer | undefined;
  /** Registered and answered; undefined while what was asked last is not answered. */
  readonly #answered = new Map<string, boolean | undefined>();
  #running: Running | undefined;
  registered = 0;

  constructor(world: World, addresses: AddressNode, serverAt: (server: Life) => SessionServer | undefined) {
    const { scheduler, random, bug } = world;
    this.#world = world;
    this.#addresses = addresses;
    this.#serverAt = serverAt;
    this.machine = addresses.machine;
    this.disk = new Disk({ scheduler, random, skipsSync: bug === "no fsync" });
  }

  get running(): Running | undefined {
    return this.machine.isUp ? this.#running : undefined;
  }

  async run(life: Life): Promise<void> {
    const { clock } = life;
    this.#running = undefined;
    const state = await AgentState.open({ store: await this.disk.open(life), node: this.machine.name });
    this.#checkNothingLost(state);
    const views = new ViewTable({
      clock,
      limits: controlClientLimits,
      cache: undefined,
      onFailure: () => undefined,
    });
    const sync = new RegistrationSync({
      source: {
        registrations: () => ({
          services: state.services(),
          checks: state.checks().map(({ record }) => record),
        }),
        onChange: (listener) => state.onChange(listener),
      },
      clock,
      random: () => this.#world.random.next(),
      limits: controlClientLimits,
      onFailure: () => undefined,
    });
    const running = { state, views, sync, fabric: views.open(fabricView), service: views.open(serviceView) };
    this.#running = running;
    while (life.isAlive) {
      await this.#connect(life, running);
      await clock.sleep(reconnectMs);
    }
  }

  async register(): Promise<void> {
    const { running } = this;
    if (!running) return;
    const id = `web-${this.#world.random.below(servicesMax)}`;
    const port = this.#world.random.between(1, 60_000);
    this.#answered.set(id, undefined);
    await running.state.registerService({ id, name: "web", port });
    this.#answered.set(id, true);
    this.registered++;
  }

  async deregister(): Promise<void> {
    const { running } = this;
    const [service] = running?.state.services() ?? [];
    if (!running || !service) return;
    this.#answered.set(service.id, undefined);
    await running.state.deregisterService(service.id);
    this.#answered.set(service.id, false);
  }

  #checkNothingLost(state: AgentState): void {
    for (const [id, isRegistered] of this.#answered) {
      if (isRegistered === undefined || isRegistered === (state.service(id) !== undefined)) continue;
      const was = isRegistered ? "registration" : "deregistration";
      throw new Violation(
        `the restart of ${this.machine.name} lost the ${was} of ${id} that it had answered`,
      );
    }
  }

  /** One connection, until it ends. */
  async #connect(life: Life, { views, sync }: Running): Promise<void> {
    const { network, scheduler, random, servers, store } = this.#world;
    const server = random.pick(servers);
    await scheduler.point(life, `→ ${server.name} connect`);
    const at = server.life;
    const epoch = this.#addresses.ipam?.epoch();
    const accepting = at?.isAlive && this.#serverAt(at);
    if (!at || !accepting || epoch === undefined || network.isCut(life.machine.name, server.name)) return;
    const wire = new Wire(this.#world, life, at);
    const closed = new Promise<void>((resolve) => wire.onClose(resolve));
    const toServer = accepting.accept(wire, (bytes) => receive(bytes));
    const send = (kind: AgentMessage["kind"]) => wire.send(life, kind.case ?? "", () => toServer(kind));
    const beat = (sequence: bigint) => {
      if (!wire.isOpen) return;
      send({ case: "heartbeat", value: { $typeName: "heddle.control.v1.Heartbeat", sequence } });
      life.clock.setTimer(heartbeatMs, () => beat(sequence + 1n));
    };
    const receive = (bytes: Uint8Array) => {
      const { kind } = fromBinary(ServerMessageSchema, bytes);
      if (kind.case === "welcome") {
        views.connected(store.id, (request) => send(asMessage(request)));
        sync.connected((sequence, body) =>
          send({
            case: "registrations",
            value: { $typeName: "heddle.control.v1.Registrations", sequence, body },
          }),
        );
        beat(1n);
      } else if (kind.case === "heartbeat") views.heard();
      else if (kind.case === "view") views.receive(kind.value);
      else if (kind.case === "registrationsAck") sync.acknowledged(kind.value);
    };
    send({ case: "hello", value: helloOf(identityOf(this.machine), { storeId: store.id, epoch }) });
    await closed;
    views.disconnected();
    sync.disconnected(new FabricError("CONTROL_UNAVAILABLE", "the connection ended; another follows"));
  }
}

type ViewRequest = Parameters<Parameters<ViewTable["connected"]>[1]>[0];

function asMessage(request: ViewRequest): AgentMessage["kind"] {
  return request.case === "subscribe"
    ? { case: "subscribe", value: { $typeName: "heddle.control.v1.Subscribe", ...request.value } }
    : { case: "unsubscribe", value: { $typeName: "heddle.control.v1.Unsubscribe", ...request.value } };
}

/** `n2`: 192.0.2.12 on one link with the others, but n1, which is behind a router. */
export function identityOf({ name }: Machine) {
  const number = Number(name.slice(1));
  const address = parseIp(number === 1 ? "198.51.100.11" : `192.0.2.${10 + number}`);
  return {
    name,
    id: `00000000-0000-4000-9000-00000000000${number}`,
    version: "simulation",
    address,
    zone: "z",
    underlay: [address],
    vtepMac: parseMac(`02:00:00:00:0${number}:00`),
    vxlanPort: 4789,
    meta: {},
    taggedAddresses: {},
  };
}

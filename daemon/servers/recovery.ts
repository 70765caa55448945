/**
 * A recovery on the servers: nodes that are connected when one begins are sent away, so that they come again and state
 * what they hold; when it is finished they are in the catalog before any of them joins, so that no node drops its routes to one
 * that is a little later than others.
 */
import type { ComponentStatus, RecoveryBackend } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { ControlServer } from "../../control/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { ipamKeys, isGathering, type Recovery, type Restated } from "../../ipam/index.ts";
import type { NodeRecord, RegistryWrites } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";

const retryMs = 1000;

export interface RecoveryWatch {
  /** Undefined while there is nothing to tell. */
  component(): ComponentStatus | undefined;
  close(): void;
}

export async function watchRecovery(
  store: Store,
  clock: Clock,
  control: Pick<ControlServer, "endSessions">,
): Promise<RecoveryWatch> {
  const ending = new AbortController();
  let gathering = false;
  const look = async () => {
    gathering = await isGathering(store);
    if (gathering) control.endSessions(recovering());
  };
  const follow = async (from: number) => {
    let next = from;
    while (!ending.signal.aborted) {
      try {
        for await (const { revision } of store.watch(ipamKeys.recovery, next, ending.signal)) {
          next = revision + 1;
          await look();
        }
      } catch (error) {
        if (isFabricError(error, "STORE_CLOSED")) return;
        await clock.sleep(retryMs, ending.signal).catch(() => undefined);
        if (!isFabricError(error, "STORE_COMPACTED")) continue;
        next = await store.range(ipamKeys.recovery).then(
          async ({ revision }) => {
            await look();
            return revision + 1;
          },
          () => next,
        );
      }
    }
  };
  const { revision } = await store.range(ipamKeys.recovery);
  await look();
  void follow(revision + 1);
  return {
    component: () =>
      gathering
        ? {
            name: "recovery",
            state: "degraded",
            summary:
              "the address plan is being gathered, no node can join: see `heddle recover status`, then `heddle recover finish`",
          }
        : undefined,
    close: () => ending.abort(),
  };
}

export function recoveryBackend(
  recovery: Recovery,
  writer: Pick<RegistryWrites, "upsertNode">,
): RecoveryBackend {
  const enroll = async (nodes: readonly Restated[]) => {
    for (const { record } of nodes) await writer.upsertNode(record as NodeRecord);
  };
  const shown = (status: Awaited<ReturnType<Recovery["status"]>>) => ({
    phase: status.phase,
    nodes: status.restated.map(({ node, atMs, hasLeft, blocks, statics }) => ({
      node,
      atMs,
      hasLeft,
      blocks: blocks.map(({ cidr }) => cidr),
      statics: statics.map(({ ip }) => ip),
    })),
    missing: status.rebuilt?.missing ?? [],
    conflicts: status.rebuilt?.conflicts ?? [],
    networks: (status.rebuilt?.plan.networks ?? []).map(({ name }) => name),
  });
  return {
    status: async () => shown(await recovery.status()),
    finish: async (gone) => shown(await recovery.finish(gone, enroll)),
    cancel: () => recovery.cancel(),
  };
}

function recovering(): FabricError {
  return new FabricError(
    "IPAM_RECOVERING",
    "keep session: the address plan is being gathered from the nodes; they state what they hold by themselves",
  );
}

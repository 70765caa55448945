/**
 * What an agent must know again after a restart, under `registration/` of its own store:
 * `services/<id>` a ServiceRecord, `checks/<id>` a RegisteredCheck with the last status that was decided, so
 * that a restarted agent goes on with what it knew instead of calling everything critical.
 */
import type { Operation, Store } from "../../store/index.ts";
import type { RegisteredCheck } from "../catalog/plan-registration.ts";
import { decodeService, encodeService } from "../codec.ts";
import type { ServiceRecord } from "../model.ts";
import { transaction } from "../transaction.ts";

const servicesPrefix = "registration/services/";
const checksPrefix = "registration/checks/";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface JournalChange {
  readonly services?: readonly ServiceRecord[];
  readonly checks?: readonly RegisteredCheck[];
  readonly removedServices?: readonly string[];
  readonly removedChecks?: readonly string[];
}

export class AgentJournal {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Damaged entries are left out and counted. */
  async load(): Promise<{ services: ServiceRecord[]; checks: RegisteredCheck[]; damaged: number }> {
    const { items: serviceItems } = await this.#store.range(servicesPrefix);
    const { items: checkItems } = await this.#store.range(checksPrefix);
    const services = serviceItems.map(({ value }) => decodeService(value)).filter((one) => one !== undefined);
    const checks = checkItems
      .map(({ value }) => decodeRegisteredCheck(value))
      .filter((one) => one !== undefined);
    const damaged = serviceItems.length + checkItems.length - services.length - checks.length;
    return { services, checks, damaged };
  }

  async write(change: JournalChange): Promise<void> {
    const writes: Operation[] = [];
    const put = (key: string, value: Uint8Array) => writes.push({ op: "put", key, value });
    for (const service of change.services ?? [])
      put(keyOf(servicesPrefix, service.id), encodeService(service));
    for (const check of change.checks ?? [])
      put(keyOf(checksPrefix, check.record.id), encoder.encode(JSON.stringify(check)));
    for (const id of change.removedServices ?? [])
      writes.push({ op: "delete", key: keyOf(servicesPrefix, id) });
    for (const id of change.removedChecks ?? []) writes.push({ op: "delete", key: keyOf(checksPrefix, id) });
    if (writes.length > 0) await this.#store.txn(transaction([], writes));
  }
}

function keyOf(prefix: string, id: string): string {
  return prefix + encodeURIComponent(id);
}

/** The journal is this agent's own; a file that was cut or edited must still not stop the agent. */
function decodeRegisteredCheck(bytes: Uint8Array): RegisteredCheck | undefined {
  try {
    const check = JSON.parse(decoder.decode(bytes)) as Partial<RegisteredCheck> | null;
    const complete = check?.record?.id && check.record.status && check.definition?.probe?.kind;
    return complete ? (check as RegisteredCheck) : undefined;
  } catch {
    return undefined;
  }
}

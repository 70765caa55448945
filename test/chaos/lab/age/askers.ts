/**
 * Who asks every agent for the beacon all the time: over DNS, and over HTTP by turns as the default and as `stale`. What
 * was not answered, or with an error, claims nothing.
 */
import { Worker } from "node:worker_threads";
import type { ApiClient } from "../../../../api/index.ts";
import { attempt } from "../keys.ts";
import type { Rig } from "../rig.ts";
import { nowMs, wait } from "../wait.ts";
import type { Claim, Told } from "./ages.ts";
import type { AskNames, NameAnswer } from "./ask-names.ts";
import { beaconName, numberOf } from "./beacon.ts";

const everyMs = 250;
const timeoutMs = 2000;
/** Extended DNS Errors "Stale Answer" and "Stale NXDOMAIN Answer". */
const staleErrors: readonly number[] = [3, 19];

export class Askers {
  readonly told: Told[] = [];
  readonly #rig: Rig;
  readonly #threads: Worker[] = [];
  readonly #asking: Promise<void>[] = [];
  #ending = false;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  start(): void {
    for (const host of this.#rig.hosts) {
      const workerData: AskNames = {
        netns: host.netns,
        name: `${beaconName}.service.consul`,
        everyMs,
        timeoutMs,
      };
      const thread = new Worker(new URL("./ask-names.ts", import.meta.url), { workerData });
      thread.on("message", (answer: NameAnswer) => {
        const told = toldByDns(host.name, answer);
        if (told) this.told.push(told);
      });
      thread.on("error", (error) => {
        throw error;
      });
      this.#threads.push(thread);
      this.#asking.push(this.#askHttp(host.name, this.#rig.api(host, timeoutMs)));
    }
  }

  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#threads.map((thread) => thread.terminate()), ...this.#asking]);
  }

  async #askHttp(host: string, api: ApiClient): Promise<void> {
    for (let turn = 0; !this.#ending; turn++) {
      const askedMs = nowMs();
      const mode = turn % 2 === 0 ? "" : "?stale";
      const answer = await attempt(() => api.exchange("GET", `/v1/catalog/service/${beaconName}${mode}`));
      if (typeof answer !== "string" && answer.status === 200) {
        const [instance] = JSON.parse(answer.body.toString()) as { ServiceAddress: string }[];
        const claim = claimOf(answer.headers);
        this.told.push({
          host,
          by: "HTTP",
          askedMs,
          value: numberOf(instance?.ServiceAddress ?? "") ?? 0,
          claim,
        });
      }
      await wait(everyMs);
    }
  }
}

/** Without a leader, too, it claims to have everything until it last heard of one. */
function claimOf(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Claim {
  return {
    kind: "current",
    heardAgoMs: Number(headers["x-consul-lastcontact"] ?? 0),
    isLeaderKnown: headers["x-consul-knownleader"] === "true",
  };
}

function toldByDns(host: string, { askedMs, rcode, addresses, errors }: NameAnswer): Told | undefined {
  const told = { host, by: "DNS", askedMs, value: numberOf(addresses[0] ?? "") ?? 0 } as const;
  if (rcode !== "NOERROR" && rcode !== "NXDOMAIN") return { ...told, claim: { kind: "unknown" } };
  const stale = errors.find(({ code }) => staleErrors.includes(code));
  if (!stale) return { ...told, claim: { kind: "current", heardAgoMs: 0, isLeaderKnown: true } };
  const namedMs = Date.parse(stale.text.replace(/^as of /, ""));
  // A text that names no time is no excuse.
  return { ...told, claim: { kind: "stale", sinceMs: Number.isNaN(namedMs) ? Infinity : namedMs } };
}

/**
 * A service of one instance whose address is a number that rises with each write: whoever is answered knows how old the
 * answer is. It is written at a server, at the other one when that does not answer, and when each write was acknowledged
 * is remembered. A write whose answer was lost may come about late, even over a later one, so nothing follows from an
 * answer that names it.
 */
import { ApiClient } from "../../../../api/index.ts";
import { attempt } from "../keys.ts";
import { nowMs, wait } from "../wait.ts";

export const beaconName = "beacon";
const everyMs = 400;
const timeoutMs = 1500;
const base = 0x0ac8_0000;

export interface Writing {
  readonly value: number;
  /** Wall time; undefined: the answer was lost. */
  readonly ackedMs: number | undefined;
}

export class Beacon {
  /** In the order of value; what surely was not written is left out. */
  readonly writings: Writing[] = [];
  readonly #apis: readonly ApiClient[];
  #ending = false;

  /** @param ports of the servers' HTTP on loopback */
  constructor(ports: readonly number[]) {
    this.#apis = ports.map((port) => new ApiClient({ kind: "tcp", host: "127.0.0.1", port }, { timeoutMs }));
  }

  async shine(): Promise<void> {
    for (let value = 1, at = 0; !this.#ending; value++) {
      const api = this.#apis[at % this.#apis.length] as ApiClient;
      const answer = await attempt(() => api.exchange("PUT", "/v1/catalog/register", registration(value)));
      if (typeof answer === "string" || answer.status !== 200) at++;
      if (answer === "unknown") this.writings.push({ value, ackedMs: undefined });
      else if (answer !== "fail" && answer.status === 200) this.writings.push({ value, ackedMs: nowMs() });
      await wait(everyMs);
    }
  }

  end(): void {
    this.#ending = true;
  }
}

function registration(value: number): string {
  const Address = addressOf(value);
  const Service = { ID: beaconName, Service: beaconName, Port: 1, Address };
  return JSON.stringify({
    Node: "lighthouse",
    Address: "10.200.255.255",
    SkipNodeUpdate: value > 1,
    Service,
  });
}

/** 10.200.0.0/16 is nobody's here. */
function addressOf(value: number): string {
  const bits = base + (value % 0xffff);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}

/** The number in an address; undefined: it is none of these. */
export function numberOf(address: string): number | undefined {
  const [a, b, c, d] = address.split(".").map(Number);
  return a === 10 && b === 200 && c !== undefined && d !== undefined ? c * 256 + d : undefined;
}

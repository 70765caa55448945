import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ManualClock } from "../../../clock/index.ts";
import { Gate } from "./gate.ts";

class FakeSocket extends EventEmitter {
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort: number;
  destroyed = false;
  constructor(port: number) {
    super();
    this.remotePort = port;
  }
  get peer(): string {
    return `${this.remoteAddress}:${this.remotePort}`;
  }
  resume(): void {}
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

function fixture() {
  const clock = new ManualClock();
  const gate = new Gate({ clock, enteringMax: 2, waitingMax: 3, waitMaxMs: 1000, passMaxMs: 500 });
  const inside: number[] = [];
  const knock = (port: number) => {
    const socket = new FakeSocket(port);
    gate.arrive(socket as unknown as Socket, () => inside.push(port));
    return socket;
  };
  return { clock, gate, inside, knock };
}

test("so many enter at one time; the others follow in order of arrival, as the first are in, leave or tarry", async () => {
  const { clock, gate, inside, knock } = fixture();
  const sockets = [1, 2, 3, 4, 5].map(knock);
  expect(inside).toEqual([1, 2]);
  gate.passed(sockets[1]?.peer ?? "");
  expect(inside).toEqual([1, 2, 3]);
  sockets[0]?.destroy();
  expect(inside).toEqual([1, 2, 3, 4]);
  await clock.advance(500);
  expect(inside).toEqual([1, 2, 3, 4, 5]);
  expect(gate.status()).toEqual({ entering: 1, waiting: 0, turnedAway: 0 });
});

test("who left while waiting costs nothing, who waited too long is sent away, and so is who finds too many waiting", async () => {
  const { clock, gate, inside, knock } = fixture();
  const [first, second, gone] = [1, 2, 3].map(knock);
  gone?.destroy();
  gate.passed(first?.peer ?? "");
  expect([inside, gate.status().entering]).toEqual([[1, 2], 1]);
  knock(4);
  for (const port of [5, 6, 7]) knock(port);
  expect(knock(8).destroyed).toBe(true);
  await clock.advance(400);
  gate.passed(second?.peer ?? "");
  expect(inside).toEqual([1, 2, 4, 5]);
});

test("nobody waits for longer than agents have patience", async () => {
  const clock = new ManualClock();
  const gate = new Gate({ clock, enteringMax: 1, waitingMax: 9, waitMaxMs: 1000, passMaxMs: 5000 });
  const [first, second] = [new FakeSocket(1), new FakeSocket(2)];
  let entered = 0;
  for (const socket of [first, second]) gate.arrive(socket as unknown as Socket, () => (entered += 1));
  await clock.advance(1001);
  gate.passed(first.peer);
  expect([entered, second.destroyed, gate.status().turnedAway]).toEqual([1, true, 1]);
});

test("what happens twice to a connection makes room once", () => {
  const { gate, inside, knock } = fixture();
  const [first] = [1, 2, 3, 4].map(knock);
  gate.passed(first?.peer ?? "");
  first?.destroy();
  gate.passed(first?.peer ?? "");
  expect(inside).toEqual([1, 2, 3]);
  gate.close();
  expect(gate.status()).toMatchObject({ entering: 0, waiting: 0 });
});

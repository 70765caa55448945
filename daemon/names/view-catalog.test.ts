import { beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import type { ViewHandle } from "../../control/index.ts";
import type { CatalogChange } from "../../dns/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { ContactState } from "./catalog-age.ts";
import { ViewCatalog } from "./view-catalog.ts";

/** A server's views: those in `contents` are there, others are refused while `refuses`, or never answered. */
class Views {
  readonly contents = new Map<string, Map<string, unknown>>();
  readonly open = new Set<string>();
  refuses = false;
  subscriptions = 0;
  state: ContactState = { connected: true };
  readonly #contact = new Set<(state: ContactState) => void>();

  onState(listener: (state: ContactState) => void): () => void {
    this.#contact.add(listener);
    return () => void this.#contact.delete(listener);
  }

  setConnected(connected: boolean, lastContactMs = 0): void {
    this.setState({ connected, lastContactMs });
  }

  setState(state: ContactState): void {
    this.state = state;
    for (const listener of this.#contact) listener(this.state);
  }

  /** Only what an earlier run left. */
  isOld = false;
  ageMs = 0;
  readonly forgotten: string[] = [];

  subscribe(view: string): ViewHandle {
    this.subscriptions++;
    this.open.add(view);
    const items = this.contents.get(view);
    const whenToldOrAborted = (signal?: AbortSignal) =>
      this.refuses
        ? Promise.reject(new FabricError("CONTROL_LIMIT", "subscribe: the server has too many views"))
        : new Promise<void>((_resolve, reject) =>
            signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
          );
    return {
      view,
      ready: items !== undefined,
      items: items ?? new Map(),
      revision: 1,
      ageMs: () => this.ageMs,
      told: items !== undefined && !this.isOld,
      whenReady: whenToldOrAborted,
      whenTold: whenToldOrAborted,
      onChange: () => () => undefined,
      close: () => void this.open.delete(view),
      forget: () => {
        this.open.delete(view);
        this.forgotten.push(view);
      },
    };
  }
}

const code = (expected: string) => expect.objectContaining({ code: expected });
let clock: ManualClock;
let views: Views;
let catalog: ViewCatalog;
let announced: CatalogChange[];

beforeEach(() => {
  clock = new ManualClock();
  views = new Views();
  catalog = new ViewCatalog(views, clock, "dc1", { viewsMax: 3, idleMs: 1000, firstAnswerMs: 100 });
  announced = [];
  catalog.onChange((change) => announced.push(change));
});

test("a name that a server refused is asked for anew by the next question", async () => {
  views.refuses = true;
  await expect(catalog.service("web")).rejects.toThrow(code("CONTROL_LIMIT"));
  views.contents.set("service/web", new Map());
  expect(await catalog.service("web")).toBeUndefined();
  expect(views.subscriptions).toBe(2);
});

test("a name that nobody told of in time fails, is let go, and asked for anew by the next question", async () => {
  const failed = expect(catalog.node("n1")).rejects.toThrow(code("DAEMON_NAME_UNAVAILABLE"));
  await clock.advance(100);
  await failed;
  expect(views.open.size).toBe(0);
  views.contents.set("node/n1", new Map());
  expect(await catalog.node("n1")).toBeUndefined();
});

test("names are let go when nobody asks or too many are held, the longest unused first, and that is announced", async () => {
  for (const name of ["a", "b", "c", "d"]) views.contents.set(`service/${name}`, new Map());
  for (const name of ["a", "b", "c", "a", "d"]) await catalog.service(name);
  expect([...views.open]).toEqual(["service/a", "service/c", "service/d"]);
  expect(announced).toEqual([{ kind: "service", name: "b" }]);
  await clock.advance(2000);
  expect([views.open.size, announced.length]).toEqual([0, 4]);
  expect(views.forgotten).toHaveLength(4);
});

test("what an earlier run left answers at once without a server, and with one only when that is silent", async () => {
  views.contents.set("service/web", new Map());
  views.isOld = true;
  views.state = { connected: false };
  expect(await catalog.service("web")).toBeUndefined();
  views.state = { connected: true };
  let answered = false;
  const answer = Promise.resolve(catalog.service("web")).then(() => (answered = true));
  await clock.advance(99);
  expect(answered).toBe(false);
  await clock.advance(1);
  await answer;
});

test("what was held is opened anew, up to the limit, and kept for the next run when the catalog is closed", () => {
  const held = [
    "fabric",
    "reverse/x",
    "service/c1.shop.docker",
    "node/n1",
    "reverse/10.0.0.1",
    "service/web",
  ];
  catalog.warm(held);
  expect([...views.open]).toEqual(["service/c1.shop.docker", "node/n1", "reverse/10.0.0.1"]);
  catalog.close();
  expect([[...views.open], views.forgotten]).toEqual([[], []]);
});

test("names are out of date since the server was lost, once it is not back in 5 s, and no more when it is back", async () => {
  expect(catalog.staleSinceMs()).toBeUndefined();
  const lostAtMs = clock.wallMs();
  views.setConnected(false);
  await clock.advance(4999);
  expect(catalog.staleSinceMs()).toBeUndefined();
  expect(announced).toEqual([]);
  await clock.advance(1);
  expect(catalog.staleSinceMs()).toBe(lostAtMs);
  expect(announced).toEqual([{ kind: "all" }]);
  views.setConnected(true);
  expect(catalog.staleSinceMs()).toBeUndefined();
  expect(announced).toEqual([{ kind: "all" }, { kind: "all" }]);
});

test("a loss of the server that is short is not told", async () => {
  views.setConnected(false);
  await clock.advance(3000);
  views.setConnected(true);
  await clock.advance(60_000);
  expect(catalog.staleSinceMs()).toBeUndefined();
  expect(announced).toEqual([]);
});

test("names are out of date since a server was last heard, though its loss was noticed later", async () => {
  const heardAtMs = clock.wallMs() - 3000;
  views.setConnected(false, 3000);
  await clock.advance(1999);
  expect(catalog.staleSinceMs()).toBeUndefined();
  await clock.advance(1);
  expect(catalog.staleSinceMs()).toBe(heardAtMs);
});

test("a server that has lost its store is as one that is silent, until it has it again", async () => {
  const heardAtMs = clock.wallMs() - 5000;
  views.setState({ connected: true, storeSilentMs: 5000 });
  await clock.advance(1000);
  expect(catalog.staleSinceMs()).toBe(heardAtMs);
  views.setState({ connected: true, storeSilentMs: undefined });
  expect(catalog.staleSinceMs()).toBeUndefined();
});

test("a long silence leaves a moment to find the next server", async () => {
  const heardAtMs = clock.wallMs() - 60_000;
  views.setConnected(false, 60_000);
  await clock.advance(999);
  expect(catalog.staleSinceMs()).toBeUndefined();
  await clock.advance(1);
  expect(catalog.staleSinceMs()).toBe(heardAtMs);
});

test("what an earlier run left is told to be old by the first answer, and a moment old is not", async () => {
  views.setConnected(false);
  views.isOld = true;
  views.ageMs = 4999;
  views.contents.set("service/web", new Map());
  await catalog.service("web");
  expect(catalog.staleSinceMs()).toBeUndefined();
  views.ageMs = 5000;
  await catalog.service("web");
  expect(catalog.staleSinceMs()).toBe(clock.wallMs() - 5000);
});

test("what an earlier run left is as old as it is", async () => {
  views.setConnected(false);
  await clock.advance(5000);
  views.isOld = true;
  views.ageMs = 3_600_000;
  views.contents.set("service/web", new Map());
  await catalog.service("web");
  expect(catalog.staleSinceMs()).toBe(clock.wallMs() - 3_600_000);
});

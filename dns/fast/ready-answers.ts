/**
 * The ready answers of the server: learns from what the general path resolved, forgets what a change of the
 * catalog touches, and tells followers (the threads that serve them) each step in order. A follower that
 * applies the steps holds the same answers as this table.
 *
 * Kept are answers for things that exist, never NXDOMAIN or `addr` names, so a client cannot fill the table
 * with names that it made up. An answer that was looked up while the catalog changed is not kept.
 *
 * When the room is full an answer takes that of others (answer-ring.ts), but only one answer in eight: to make one ready
 * costs more than to look it up, and where more names are asked for than there is room, most would be gone before they
 * are asked for again. What is asked for often is soon among the eighth.
 */
import { type CatalogChange, changeKey, type Resolution } from "../resolver/index.ts";
import {
  type ClientView,
  type CookieJar,
  type ExtendedError,
  extendedError,
  plainUdpBytesMax,
  type RateGate,
} from "../serve/index.ts";
import { shuffled } from "../shuffled.ts";
import { type EdnsOption, type Message, rcodes, typeNumbers } from "../wire/index.ts";
import { AnswerRing, usesBuffer } from "./answer-ring.ts";
import { AnswerTable, type TableBounds } from "./answer-table.ts";
import { Dependents } from "./dependents.ts";
import { queryBytesMax } from "./query-view.ts";
import { questionKey, readyAnswer } from "./ready-answer.ts";
import { ReadyReplies } from "./ready-replies.ts";
import type { TableStep } from "./table-step.ts";

export interface ReadyRules {
  readonly cookies: CookieJar;
  readonly gate: RateGate;
}

/** Of the answers that are made while there is no free room. */
const admittedPart = 1 / 8;

const keptTypes: ReadonlySet<number> = new Set([
  typeNumbers.A,
  typeNumbers.AAAA,
  typeNumbers.SRV,
  typeNumbers.PTR,
]);

export class ReadyAnswers {
  /** Where the threads that serve the answers note which they give. */
  readonly uses: SharedArrayBuffer;
  readonly #table: AnswerTable;
  readonly #ring: AnswerRing;
  readonly #dependents = new Dependents();
  readonly #replies: ReadyReplies;
  readonly #random: () => number;
  readonly #followers = new Set<(step: TableStep) => void>();
  #changes = 0;
  readonly #gate: RateGate | undefined;
  #notice: Uint8Array = new Uint8Array(0);
  readonly #out: Uint8Array;

  constructor(bounds: TableBounds, random: () => number, rules?: ReadyRules) {
    this.uses = usesBuffer(bounds);
    this.#table = new AnswerTable(bounds, this.uses);
    this.#ring = new AnswerRing(bounds, this.uses);
    this.#replies = new ReadyReplies(this.#table, rules?.cookies);
    this.#gate = rules?.gate;
    this.#random = random;
    this.#out = new Uint8Array(Math.max(queryBytesMax, bounds.udpBytesMax));
  }

  get size(): number {
    return this.#table.size;
  }

  /** The reply, valid until the next call; none for now if the client gets too many; undefined for the general path. */
  reply(query: Uint8Array, client: ClientView): Uint8Array | "none" | undefined {
    const out = this.#out;
    const replies = this.#replies;
    if (query.length > out.length) return undefined;
    out.set(query);
    if (!replies.find(out, 0, query.length, out.length, client)) return undefined;
    const verdict = this.#gate?.judge(client, replies.foundHash, replies.foundCookieValid) ?? "send";
    if (verdict === "drop") return "none";
    if (verdict === "slip") return out.subarray(0, replies.writeTruncated(out, 0, client));
    return out.subarray(0, replies.write(out, 0, Math.floor(this.#random() * 0x100000000), client));
  }

  /** There is a reply to the query's question. */
  has(query: Message): boolean {
    return this.#table.has(questionKey(query));
  }

  /** To be taken before a look-up and given to `offer` after it. */
  mark(): number {
    return this.#changes;
  }

  offer(reply: Message, resolution: Resolution, mark: number): void {
    const [question] = reply.questions;
    if (mark !== this.#changes || resolution.rcode !== rcodes.NOERROR || resolution.dependsOn.length === 0)
      return;
    if (!question || !keptTypes.has(question.type)) return;
    const key = questionKey(reply);
    if (this.#table.has(key)) return;
    if (this.#ring.isFull && this.#random() >= admittedPart) return;
    const answers = shuffled(reply.answers, this.#random);
    const bytesMax = Math.max(plainUdpBytesMax, this.#table.bounds.udpBytesMax);
    const answer = readyAnswer({ ...reply, answers }, bytesMax);
    if (!answer) return;
    const evicted: Uint8Array[] = [];
    const bytes = key.length + answer.body.length + answer.turn.length;
    const at = this.#ring.take(bytes, (place) => evicted.push(this.#drop(place)));
    if (at < 0) return;
    this.#table.learn(key, answer, at);
    this.#dependents.add(at, resolution.dependsOn);
    this.#tell({ kind: "learn", key, answer, at, ...(evicted.length > 0 && { evicted }) });
  }

  change(change: CatalogChange): void {
    this.#changes++;
    if (change.kind === "all") {
      this.#clear();
      return;
    }
    const places = this.#dependents.of(changeKey(change));
    if (places.length === 0) return;
    const keys = [...places].map((place) => {
      this.#ring.free(place);
      return this.#drop(place);
    });
    this.#tell({ kind: "forget", keys });
  }

  /** Lets every reply to a client with EDNS explain itself; undefined: no more. */
  setNotice(error: ExtendedError | undefined): void {
    const option = error ? optionBytes(extendedError(error)) : new Uint8Array(0);
    if (Buffer.compare(option, this.#notice) === 0) return;
    this.#notice = option;
    this.#replies.setNotice(option);
    this.#tell({ kind: "notice", option });
  }

  /** Calls the follower with what is there, then with each step. Answers how to stop. */
  follow(follower: (step: TableStep) => void): () => void {
    follower({ kind: "notice", option: this.#notice });
    for (const entry of this.#table.entries()) follower({ kind: "learn", ...entry });
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /** Answers the key of what had its room there. */
  #drop(place: number): Uint8Array {
    const key = this.#table.keyAt(place);
    this.#table.forget(key);
    this.#dependents.delete(place);
    return key;
  }

  #clear(): void {
    this.#table.clear();
    this.#ring.clear();
    this.#dependents.clear();
    this.#tell({ kind: "clear" });
  }

  #tell(step: TableStep): void {
    for (const follower of this.#followers) follower(step);
  }
}

function optionBytes({ code, data }: EdnsOption): Uint8Array {
  const bytes = Buffer.alloc(4 + data.length);
  bytes.writeUInt16BE(code, 0);
  bytes.writeUInt16BE(data.length, 2);
  bytes.set(data, 4);
  return new Uint8Array(bytes);
}

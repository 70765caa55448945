/**
 * One connection: requests one after the other, each read, handed on and answered before the next is looked at.
 *
 * Always holds: while a request is parked there is nothing here but the socket, this object, the text of the request
 * and who is told when the client leaves; it is asked anew when its wait is over. What reads a body lives while there is a body to read, and no connection has a timer of its own. What a
 * client sends ahead is kept up to a bound, from which on the socket is not read.
 *
 * A client that ends its side still gets the answer that is under way, except where somebody asked to be told that it
 * left: then it is taken to be gone, as nothing else would tell.
 */
import { FabricError } from "../../errors/index.ts";
import {
  type ApiHandler,
  type ApiResponse,
  type ByteStream,
  isUpload,
  type Leaver,
  plainText,
  type Resumer,
  type Waited,
} from "../request.ts";
import { type BodyReader, bodyReader } from "./body-reader.ts";
import { findHead } from "./find-head.ts";
import { GatheredBody, type IncomingBody, StreamedBody } from "./incoming-body.ts";
import { type Asker, IncomingRequest, noBody } from "./incoming-request.ts";
import type { HttpLimits } from "./limits.ts";
import { parseHead, type Refusal, type RequestHead, refusal } from "./request-head.ts";
import { type HttpSocket, type SocketEvents, tellEvents } from "./socket-events.ts";
import { type AnswerTerms, abandon, writeAnswer } from "./write-answer.ts";

/** What the connections of one listener share. */
export interface ConnectionHost {
  readonly handle: ApiHandler;
  readonly limits: HttpLimits;
  /** Rises with time. */
  readonly tick: number;
  /** After so many more at least `ms` are over. */
  ticksOf(ms: number): number;
  /** Once it closes. */
  readonly closing: FabricError | undefined;
  gone(connection: Connection): void;
}

/**
 * `idle`: nothing of a request has come; `drain`: the last answer is written, what still comes is dropped. An upload is
 * in `answer` from the start, as its handler reads it.
 */
type Phase = "idle" | "head" | "body" | "answer" | "drain" | "closed";

const never = Number.MAX_SAFE_INTEGER;

export class Connection implements Asker, Resumer, SocketEvents {
  readonly #host: ConnectionHost;
  readonly #socket: HttpSocket;
  #phase: Phase = "idle";
  #dueTick: number;
  /** Came, and is not looked at or not whole yet. */
  #ahead: Buffer | undefined;
  #body: IncomingBody | undefined;
  #leaver: Leaver | undefined;
  /** Text of the head of a request that waits. */
  #parked: string | undefined;
  #hasEnded = false;
  #isHead = false;
  #isHttp10 = false;
  #staysOpen = true;
  #droppedBytes = 0;

  constructor(host: ConnectionHost, socket: HttpSocket) {
    this.#host = host;
    this.#socket = socket;
    this.#dueTick = host.tick + host.ticksOf(host.limits.headersTimeoutMs);
    tellEvents(socket, this);
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  whenLeft(leaver: Leaver): void {
    const first = this.#leaver;
    if (this.#isLeft) leaver.left(this.#host.closing);
    else if (!first) this.#leaver = leaver;
    else {
      const left = (reason: unknown) => {
        first.left(reason);
        leaver.left(reason);
      };
      this.#leaver = { left };
    }
  }

  park(text: string, leaver: Leaver): Resumer {
    this.#parked = text;
    this.whenLeft(leaver);
    if (this.#isLeft) this.#giveUp();
    return this;
  }

  /** Not at once: whoever says so is in the middle of something. */
  resume(waited: Waited): void {
    const text = this.#parked ?? "";
    this.#parked = undefined;
    this.#leaver = undefined;
    queueMicrotask(() => {
      if (this.#phase !== "answer") return;
      const head = parseHead(text);
      if (head.kind === "head") this.#hand(head, noBody, waited);
    });
  }

  /** Whose time is over is ended. */
  ticked(): void {
    if (this.#dueTick > this.#host.tick) return;
    if (this.#phase === "idle") this.#drain();
    else if (this.#phase === "drain") this.#socket.destroy();
    else this.#refuse(refusal(408, "The request did not come in time"));
  }

  /** The listener closes: nothing new is begun here. */
  closing(): void {
    if (this.#phase === "idle") this.#socket.destroy();
    else if (this.#phase === "answer") this.#tellLeft(this.#host.closing);
  }

  /** Without a word. */
  cut(): void {
    this.#socket.destroy();
  }

  received(bytes: Buffer): void {
    if (this.#phase === "drain") this.#drop(bytes);
    else if (this.#body) this.#readBody(this.#body, bytes);
    else {
      this.#ahead = this.#ahead ? Buffer.concat([this.#ahead, bytes]) : bytes;
      if (this.#phase !== "answer") this.#readHead(this.#ahead);
      else if (this.#ahead.length > this.#host.limits.aheadBytesMax) this.#socket.pause();
    }
  }

  ended(): void {
    this.#hasEnded = true;
    if (this.#phase === "idle" || this.#phase === "head") this.#drain();
    else if (this.#phase === "body") this.#socket.destroy();
    else this.#left();
  }

  closed(): void {
    this.#phase = "closed";
    this.#ahead = undefined;
    this.#host.gone(this);
    this.#left();
  }

  #readHead(bytes: Buffer): void {
    const { headerBytesMax, headersTimeoutMs } = this.#host.limits;
    const search = findHead(bytes, headerBytesMax);
    switch (search.kind) {
      case "found":
        this.#ahead = search.rest;
        this.#begin(search.head);
        break;
      case "refusal":
        this.#refuse(search);
        break;
      case "more":
        this.#ahead = search.bytes;
        if (this.#hasEnded) this.#drain();
        else if (this.#phase === "idle" && search.bytes) {
          this.#phase = "head";
          this.#dueWithin(headersTimeoutMs);
        }
        break;
      default:
        search satisfies never;
    }
  }

  #begin(head: RequestHead): void {
    const { framing } = head;
    const { bodyBytesMax, headerBytesMax } = this.#host.limits;
    this.#isHead = head.method === "HEAD";
    this.#isHttp10 = head.isHttp10;
    this.#staysOpen = head.staysOpen;
    this.#dueTick = never;
    const isStream = isUpload(head);
    if (framing.kind === "none") this.#hand(head, noBody);
    else if (!isStream && framing.kind === "length" && framing.bytes > bodyBytesMax) this.#refuseBody();
    else this.#expectBody(head, bodyReader(framing, headerBytesMax), isStream);
  }

  #expectBody(head: RequestHead, reader: BodyReader, isStream: boolean): void {
    const { bodyBytesMax, requestTimeoutMs } = this.#host.limits;
    this.#dueWithin(requestTimeoutMs);
    const body = isStream
      ? new StreamedBody(reader, this.#socket)
      : new GatheredBody(reader, bodyBytesMax, (bytes) => this.#hand(head, bytes));
    this.#body = body;
    this.#phase = "body";
    if (body instanceof StreamedBody) this.#hand(head, body.stream);
    if (head.expectsContinue && !this.#ahead) this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead) this.#readBody(body, ahead);
  }

  #readBody(body: IncomingBody, bytes: Buffer): void {
    const used = body.read(bytes);
    switch (body.state) {
      case "open":
        break;
      case "whole":
        this.#body = undefined;
        this.#dueTick = never;
        if (used < bytes.length) this.#ahead = bytes.subarray(used);
        body.end();
        break;
      case "tooLarge":
        this.#refuseBody();
        break;
      case "malformed":
        this.#staysOpen = false;
        if (this.#phase === "body") this.#refuse(refusal(400, "The chunks of the body are malformed"));
        else this.#loseBody("its chunks are malformed");
        break;
      default:
        body.state satisfies never;
    }
  }

  /** Of a request that parks itself the promise never settles, and nobody keeps it. */
  #hand(head: RequestHead, body: Uint8Array | ByteStream, waited?: Waited): void {
    this.#phase = "answer";
    this.#host.handle(new IncomingRequest(head, body, this, waited)).then(
      (answer) => this.#answer(answer),
      () => this.#giveUp(),
    );
  }

  #answer(answer: ApiResponse): void {
    if (this.#phase !== "answer") {
      abandon(answer.body);
      return;
    }
    // With a body under way nobody knows where the next request begins.
    const staysOpen = this.#staysOpen && !this.#body && !this.#host.closing;
    try {
      const written = writeAnswer(this.#socket, answer, this.#terms(staysOpen));
      if (written === true) this.#answered(staysOpen);
      else if (written) void written.then((isWhole) => isWhole && this.#answered(staysOpen));
    } catch {
      this.#giveUp();
    }
  }

  #terms(staysOpen: boolean): AnswerTerms {
    const { keepAliveMs, streamStallMs: stallMs } = this.#host.limits;
    return { isHead: this.#isHead, isHttp10: this.#isHttp10, staysOpen, keepAliveMs, stallMs };
  }

  #answered(staysOpen: boolean): void {
    if (this.#phase !== "answer") return;
    this.#leaver = undefined;
    if (!staysOpen || this.#host.closing) {
      this.#drain();
      return;
    }
    this.#phase = "idle";
    this.#isHead = false;
    this.#dueWithin(this.#host.limits.keepAliveMs);
    this.#socket.resume();
    if (this.#ahead) this.#readHead(this.#ahead);
    else if (this.#hasEnded) this.#drain();
  }

  /** The client left, or the process is stopping: handlers answer everything else. */
  #giveUp(): void {
    this.#parked = undefined;
    if (this.#phase !== "answer") return;
    if (this.#hasEnded) this.#socket.destroy();
    else this.#refuse(refusal(503, "The request was given up: the process is stopping."));
  }

  #refuseBody(): void {
    this.#refuse(refusal(413, `Request body too large, max size: ${this.#host.limits.bodyBytesMax} bytes.`));
  }

  #refuse({ status, text }: Refusal): void {
    if (this.#phase === "closed") return;
    void writeAnswer(this.#socket, plainText(status, text), this.#terms(false));
    this.#drain();
  }

  /**
   * Ends our side. What the client still sends is read and dropped for a while: if it is sending, it would see a reset in
   * place of the answer (RFC 9112 section 9.6).
   */
  #drain(): void {
    this.#phase = "drain";
    this.#ahead = undefined;
    this.#loseBody("it was answered before it came");
    this.#dueWithin(this.#host.limits.drainMs);
    this.#socket.resume();
    this.#socket.end();
  }

  #drop(bytes: Buffer): void {
    this.#droppedBytes += bytes.length;
    if (this.#droppedBytes > this.#host.limits.drainBytesMax) this.#socket.destroy();
  }

  #left(): void {
    this.#loseBody("the client left");
    this.#tellLeft(undefined);
  }

  /** Nobody waits for the answer any more. */
  get #isLeft(): boolean {
    return this.#host.closing !== undefined || this.#hasEnded || this.#phase === "closed";
  }

  #tellLeft(reason: unknown): void {
    const leaver = this.#leaver;
    this.#leaver = undefined;
    leaver?.left(reason);
    if (this.#parked !== undefined) this.#giveUp();
  }

  #loseBody(why: string): void {
    const body = this.#body;
    this.#body = undefined;
    body?.lose(new FabricError("API_BAD_REQUEST", `read the body of the request: ${why}; send it again`));
  }

  #dueWithin(ms: number): void {
    this.#dueTick = this.#host.tick + this.#host.ticksOf(ms);
  }
}

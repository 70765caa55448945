/** Finds the head of the next request in what a connection has sent; what can become none is refused without waiting. */
import { parseHead, type Refusal, type RequestHead, refusal } from "./request-head.ts";

export type HeadSearch =
  | { readonly kind: "found"; readonly head: RequestHead; readonly rest: Buffer | undefined }
  /** Not whole yet; undefined when nothing of it has come. */
  | { readonly kind: "more"; readonly bytes: Buffer | undefined }
  | Refusal;

const [cr, lf] = [13, 10];
const headEnd = "\r\n\r\n";

export function findHead(received: Buffer, bytesMax: number): HeadSearch {
  const bytes = withoutEmptyLines(received);
  const at = bytes.indexOf(headEnd);
  const length = at < 0 ? bytes.length : at + headEnd.length;
  if (length > bytesMax) return refusal(431, `The headers are too large, max size: ${bytesMax} bytes`);
  if (at >= 0) {
    const head = parseHead(bytes.toString("latin1", 0, at));
    if (head.kind === "refusal") return head;
    return { kind: "found", head, rest: length < bytes.length ? bytes.subarray(length) : undefined };
  }
  if (isNoHead(bytes)) return refusal(400, "This is no request of HTTP/1.1");
  return { kind: "more", bytes: bytes.length > 0 ? bytes : undefined };
}

/** Before a request line they are read over (RFC 9112 section 2.2). */
function withoutEmptyLines(bytes: Buffer): Buffer {
  let from = 0;
  while (bytes[from] === cr && bytes[from + 1] === lf) from += 2;
  return from === 0 ? bytes : bytes.subarray(from);
}

/** TLS, or lines that end otherwise. */
function isNoHead(bytes: Buffer): boolean {
  const text = bytes.toString("latin1");
  return !/^(?:[A-Z]|\r?$)/.test(text) || /(?:^|[^\r])\n/.test(text);
}

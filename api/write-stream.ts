/** Writes a streamed answer: the next part is made only when the client took the one before. */
import type { ServerResponse } from "node:http";
import type { ApiResponse, ByteStream } from "./request.ts";

/**
 * A client that takes nothing for `stallMs` is cut; so is the connection when the maker fails, as the client could
 * not tell the end from a whole answer otherwise.
 */
export async function writeStream(
  response: ServerResponse,
  { status, headers }: ApiResponse,
  body: ByteStream,
  stallMs: number,
): Promise<void> {
  response.writeHead(status, headers);
  response.flushHeaders();
  if (response.req.method === "HEAD") {
    await body[Symbol.asyncIterator]().return?.();
    response.end();
    return;
  }
  try {
    for await (const part of body) {
      if (response.destroyed) return;
      if (!response.write(part) && !(await drained(response, stallMs))) return;
    }
    response.end();
  } catch {
    response.destroy();
  }
}

/** False when the client took nothing for too long, or is gone; then the connection is cut. */
function drained(response: ServerResponse, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean) => {
      clearTimeout(timer);
      response.off("drain", onDrain).off("close", onClose);
      if (!isDrained) response.destroy();
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, stallMs);
    response.once("drain", onDrain).once("close", onClose);
    if (response.destroyed) onClose();
  });
}

/** Lines of a byte stream, without their ends. A line longer than the limit fails the stream. */
import { FabricError } from "../../../errors/index.ts";

const newline = 0x0a;

/** @throws DOCKER_ENGINE_ANSWER for a line that is too long, and what the stream throws */
export async function* lines(stream: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let held = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      assertFits(held + end - from, bytesMax);
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString();
      parts = [];
      held = 0;
      from = end + 1;
    }
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    held += chunk.length - from;
    assertFits(held, bytesMax);
  }
}

function assertFits(bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return;
  throw new FabricError(
    "DOCKER_ENGINE_ANSWER",
    `read the events of the Docker Engine: one is longer than ${bytesMax} bytes; everything is read anew`,
  );
}

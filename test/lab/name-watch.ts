/**
 * Runs on a host of a lab and tells when a name began to be answered. For each line `NAME ADDRESS` on standard
 * input it asks the host's DNS each millisecond, and prints the wall clock's milliseconds when the address was
 * in the answer for the first time. Always the same question from the same socket, so that asking takes little of
 * the processor that is measured.
 *
 *   nsenter --net=… node test/lab/name-watch.ts
 */
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { classIn, decodeMessage, emptyMessage, encodeMessage, typeNumber } from "../../dns/wire/index.ts";

const patienceMs = 5000;
const typeA = typeNumber("A") ?? 1;
/** Number of answers in the header of a reply (RFC 1035, 4.1.1). */
const answersAt = 6;

const socket = createSocket("udp4");
// While nothing listens there, the kernel says so for each question.
socket.on("error", () => {});
await new Promise<void>((resolve) => socket.connect(8600, "127.0.0.1", resolve));

function watch(name: string, address: string, id: number): Promise<string> {
  const question = { ...emptyMessage, id, questions: [{ name, type: typeA, class: classIn }] };
  const bytes = encodeMessage(question);
  return new Promise((resolve) => {
    const settle = (seen: string) => {
      clearInterval(asking);
      clearTimeout(patience);
      socket.off("message", hear);
      resolve(seen);
    };
    const hear = (reply: Buffer) => {
      const seenMs = performance.timeOrigin + performance.now();
      if (reply.readUInt16BE(0) !== id || reply.readUInt16BE(answersAt) === 0) return;
      const { answers } = decodeMessage(reply);
      if (answers.some(({ data }) => data.kind === "A" && data.address === address)) settle(`${seenMs}`);
    };
    socket.on("message", hear);
    const asking = setInterval(() => socket.send(bytes), 1);
    const patience = setTimeout(() => settle("never"), patienceMs);
  });
}

let id = 0;
for await (const line of createInterface(process.stdin)) {
  const [name = "", address = ""] = line.split(" ");
  process.stdout.write(`asking ${name}\n`);
  id = (id + 1) & 0xffff;
  process.stdout.write(`${await watch(name, address, id)}\n`);
}
socket.close();

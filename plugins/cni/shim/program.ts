/**
 * The CNI plugin binary: carries a call to the agent and its answer back. It sends
 *
 *     each environment variable that begins with CNI_, ended by NUL | NUL | standard input until its end
 *
 * over the agent's unix socket, closes its sending half, and reads
 *
 *     exit status (one byte) | standard output until the end
 *
 * When no agent answers it prints a CNI error of its own (VERSION is answered anyway). It allocates nothing,
 * reads no file and needs no library; every wait but that for standard input has a limit.
 */
import type { Program } from "./elf.ts";
import type { Instruction } from "./instruction.ts";
import { append, branchIf, call, jump, label, remaining, spaceLeft, unlessBeginsWith } from "./phrase.ts";

/** Environment and configuration of one call, and its answer. */
export const requestBytesMax = 1 << 20;
/** Twice and more of what the agent allows itself; each single wait for the agent ends then. */
export const answerTimeoutSeconds = 10;

/** By which an installed binary is known for Heddle's, of whatever version. */
export const shimSignature = "heddle CNI plugin binary";

export interface CannedAnswer {
  readonly status: number;
  readonly stdout: string;
}

/** What the shim says when the agent does not. */
export interface CannedAnswers {
  readonly version: CannedAnswer;
  readonly status: CannedAnswer;
  readonly noAgent: CannedAnswer;
  readonly noAnswer: CannedAnswer;
  readonly tooLarge: CannedAnswer;
  readonly brokenInput: CannedAnswer;
}

const [stdin, stdout] = [0, 1];
const [unixFamily, stream, closeOnExec] = [1, 1, 0x80000];
const [socketLevel, receiveTimeout, sendTimeout] = [1, 20, 21];
const [noSignal, sendingHalf] = [0x4000, 1];
/** ECONNRESET: an agent that closed without reading all of the request; what it said before that has arrived. */
const connectionReset = -104;
const [otherCall, versionCall, statusCall] = [0, 1, 2];

export function shimProgram(socketPath: string, canned: CannedAnswers): Program {
  const address = Buffer.concat([Buffer.from([unixFamily, 0]), text(socketPath)]);
  const timeout = new Uint8Array(16);
  timeout[0] = answerTimeoutSeconds;
  return {
    code: [
      ...findEnvironment(),
      ...collectEnvironment(),
      ...collectInput(),
      ...connectToAgent(address.length),
      ...sendRequest(),
      ...receiveAnswer(),
      ...printAndExit(),
      ...cannedAnswers(canned),
    ],
    constants: {
      prefix: text("CNI_"),
      versionCommand: text("CNI_COMMAND=VERSION"),
      statusCommand: text("CNI_COMMAND=STATUS"),
      timeout,
      address,
      signature: text(shimSignature),
      ...Object.fromEntries(
        Object.entries(canned).map(([name, { stdout }]) => [`text ${name}`, text(stdout)]),
      ),
    },
    memory: { start: "buffer", end: "buffer end", bytes: requestBytesMax },
  };
}

/** keep0 = first element of the environment, behind argc, argv and its end mark. */
function findEnvironment(): Instruction[] {
  return [
    { op: "stack", to: "keep0" },
    { op: "loadWord", to: "temp0", at: "keep0" },
    { op: "add", to: "temp0", by: "temp0" },
    { op: "add", to: "temp0", by: "temp0" },
    { op: "add", to: "temp0", by: "temp0" },
    { op: "add", to: "keep0", by: "temp0" },
    { op: "increase", to: "keep0", by: 16 },
  ];
}

/** Copies the CNI_ variables to the buffer; keep1 = end of the request so far, keep2 = which command it is. */
function collectEnvironment(): Instruction[] {
  return [
    { op: "address", to: "keep1", of: "buffer" },
    { op: "set", to: "keep2", value: otherCall },
    label("next variable"),
    { op: "loadWord", to: "arg0", at: "keep0" },
    ...branchIf("arg0", "equal", 0, "environment end"),
    { op: "increase", to: "keep0", by: 8 },
    ...unlessBeginsWith("prefix", "next variable"),
    ...unlessBeginsWith("versionCommand", "not version"),
    { op: "set", to: "keep2", value: versionCall },
    label("not version"),
    ...unlessBeginsWith("statusCommand", "not status"),
    { op: "set", to: "keep2", value: statusCall },
    label("not status"),
    { op: "loadByte", to: "temp0", at: "arg0" },
    ...append("temp0"),
    { op: "increase", to: "arg0", by: 1 },
    ...branchIf("temp0", "notEqual", 0, "not status"),
    jump("next variable"),
    label("environment end"),
    { op: "set", to: "temp0", value: 0 },
    ...append("temp0"),
  ];
}

/** Reads standard input behind the environment until its end. A buffer filled to the brim counts as too large. */
function collectInput(): Instruction[] {
  return [
    label("read input"),
    { op: "set", to: "arg0", value: stdin },
    ...spaceLeft("answer tooLarge"),
    ...call("read", "read input"),
    ...branchIf("result", "equal", 0, "input end"),
    ...branchIf("result", "less", 0, "answer brokenInput"),
    { op: "add", to: "keep1", by: "result" },
    jump("read input"),
    label("input end"),
  ];
}

/** keep3 = the connected socket. SO_SNDTIMEO bounds connect and send, SO_RCVTIMEO read: socket(7). */
function connectToAgent(addressBytes: number): Instruction[] {
  return [
    { op: "set", to: "arg0", value: unixFamily },
    { op: "set", to: "arg1", value: stream | closeOnExec },
    { op: "set", to: "arg2", value: 0 },
    { op: "syscall", name: "socket" },
    ...branchIf("result", "less", 0, "no agent"),
    { op: "copy", to: "keep3", from: "result" },
    ...limitWait(receiveTimeout),
    ...limitWait(sendTimeout),
    label("connect"),
    { op: "copy", to: "arg0", from: "keep3" },
    { op: "address", to: "arg1", of: "address" },
    { op: "set", to: "arg2", value: addressBytes },
    ...call("connect", "connect"),
    ...branchIf("result", "less", 0, "no agent"),
  ];
}

/** Sends all of the buffer. An agent that stops listening has answered already: go on and read that. */
function sendRequest(): Instruction[] {
  return [
    { op: "address", to: "keep4", of: "buffer" },
    label("send"),
    ...remaining("sent"),
    { op: "copy", to: "arg0", from: "keep3" },
    { op: "copy", to: "arg1", from: "keep4" },
    { op: "set", to: "arg3", value: noSignal },
    { op: "set", to: "arg4", value: 0 },
    { op: "set", to: "arg5", value: 0 },
    ...call("sendto", "send"),
    ...branchIf("result", "less", 0, "sent"),
    { op: "add", to: "keep4", by: "result" },
    jump("send"),
    label("sent"),
    { op: "copy", to: "arg0", from: "keep3" },
    { op: "set", to: "arg1", value: sendingHalf },
    { op: "syscall", name: "shutdown" },
  ];
}

/** Reads the answer into the same buffer; keep2 = exit status, keep4 to keep1 = standard output. */
function receiveAnswer(): Instruction[] {
  return [
    { op: "address", to: "keep1", of: "buffer" },
    { op: "copy", to: "keep4", from: "keep1" },
    label("receive"),
    { op: "copy", to: "arg0", from: "keep3" },
    ...spaceLeft("no answer"),
    ...call("read", "receive"),
    ...branchIf("result", "equal", 0, "answer end"),
    ...branchIf("result", "equal", connectionReset, "answer end"),
    ...branchIf("result", "less", 0, "no answer"),
    { op: "add", to: "keep1", by: "result" },
    jump("receive"),
    label("answer end"),
    { op: "compare", left: "keep1", right: "keep4" },
    { op: "branch", when: "equal", to: "no answer" },
    { op: "loadByte", to: "keep2", at: "keep4" },
    { op: "increase", to: "keep4", by: 1 },
  ];
}

/** Writes keep4 to keep1, then ends with status keep2. A reader that went away changes nothing. */
function printAndExit(): Instruction[] {
  return [
    label("print"),
    ...remaining("exit"),
    { op: "copy", to: "arg1", from: "keep4" },
    { op: "set", to: "arg0", value: stdout },
    ...call("write", "print"),
    ...branchIf("result", "less", 0, "exit"),
    { op: "add", to: "keep4", by: "result" },
    jump("print"),
    label("exit"),
    { op: "copy", to: "arg0", from: "keep2" },
    { op: "syscall", name: "exit_group" },
  ];
}

function cannedAnswers(canned: CannedAnswers): Instruction[] {
  const answers = Object.entries(canned) as [keyof CannedAnswers, CannedAnswer][];
  const choose = (otherwise: keyof CannedAnswers) => [
    ...branchIf("keep2", "equal", versionCall, "answer version"),
    ...branchIf("keep2", "equal", statusCall, "answer status"),
    jump(`answer ${otherwise}`),
  ];
  return [
    label("no agent"),
    ...choose("noAgent"),
    label("no answer"),
    ...choose("noAnswer"),
    ...answers.flatMap(([name, { status, stdout }]): Instruction[] => [
      label(`answer ${name}`),
      { op: "address", to: "keep4", of: `text ${name}` },
      { op: "set", to: "temp0", value: Buffer.byteLength(stdout) },
      { op: "copy", to: "keep1", from: "keep4" },
      { op: "add", to: "keep1", by: "temp0" },
      { op: "set", to: "keep2", value: status },
      jump("print"),
    ]),
  ];
}

/** setsockopt(keep3, SOL_SOCKET, option, timeout). A kernel that refuses leaves the wait without limit. */
function limitWait(option: number): Instruction[] {
  return [
    { op: "copy", to: "arg0", from: "keep3" },
    { op: "set", to: "arg1", value: socketLevel },
    { op: "set", to: "arg2", value: option },
    { op: "address", to: "arg3", of: "timeout" },
    { op: "set", to: "arg4", value: 16 },
    { op: "syscall", name: "setsockopt" },
  ];
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

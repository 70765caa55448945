/**
 * Phrases of a few instructions that the shim's steps are made of: loops over bytes, bounds, calls that a
 * signal may interrupt. Each says which registers it destroys; by custom keep1 is the end of what the buffer
 * holds and keep4 the place up to which it has been taken.
 */
import type { Condition, Instruction, Register, SyscallName } from "./instruction.ts";

/** EINTR, as a system call answers it. */
const interrupted = -4;

/** A system call that begins again at `again` when a signal interrupted it. */
export function call(name: SyscallName, again: string): Instruction[] {
  return [{ op: "syscall", name }, ...branchIf("result", "equal", interrupted, again)];
}

/** Goes to `otherwise` unless the string at arg0 begins with the constant. Destroys temp0, temp1, arg1 and arg2. */
export function unlessBeginsWith(constant: string, otherwise: string): Instruction[] {
  const [compare, done] = [`compare ${constant}`, `begins with ${constant}`];
  return [
    { op: "copy", to: "arg1", from: "arg0" },
    { op: "address", to: "arg2", of: constant },
    label(compare),
    { op: "loadByte", to: "temp1", at: "arg2" },
    ...branchIf("temp1", "equal", 0, done),
    { op: "loadByte", to: "temp0", at: "arg1" },
    { op: "compare", left: "temp0", right: "temp1" },
    { op: "branch", when: "notEqual", to: otherwise },
    { op: "increase", to: "arg1", by: 1 },
    { op: "increase", to: "arg2", by: 1 },
    jump(compare),
    label(done),
  ];
}

/** Puts a byte at keep1 and moves on, if there is room. Destroys temp1. */
export function append(byte: Register): Instruction[] {
  return [
    { op: "address", to: "temp1", of: "buffer end" },
    { op: "compare", left: "keep1", right: "temp1" },
    { op: "branch", when: "equal", to: "answer tooLarge" },
    { op: "storeByte", from: byte, at: "keep1" },
    { op: "increase", to: "keep1", by: 1 },
  ];
}

/** arg1 = keep1, arg2 = bytes from there to the buffer's end; goes to `full` when there are none. */
export function spaceLeft(full: string): Instruction[] {
  return [
    { op: "copy", to: "arg1", from: "keep1" },
    { op: "address", to: "arg2", of: "buffer end" },
    { op: "subtract", to: "arg2", by: "keep1" },
    ...branchIf("arg2", "equal", 0, full),
  ];
}

/** arg2 = bytes from keep4 to keep1; goes to `none` when there are none. */
export function remaining(none: string): Instruction[] {
  return [
    { op: "copy", to: "arg2", from: "keep1" },
    { op: "subtract", to: "arg2", by: "keep4" },
    ...branchIf("arg2", "equal", 0, none),
  ];
}

export function branchIf(left: Register, when: Condition, value: number, to: string): Instruction[] {
  return [
    { op: "compareValue", left, value },
    { op: "branch", when, to },
  ];
}

export function label(name: string): Instruction {
  return { op: "label", name };
}

export function jump(to: string): Instruction {
  return { op: "branch", when: "always", to };
}

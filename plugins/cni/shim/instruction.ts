/**
 * The dozen instructions that the shim is written in, as data. Each is one or two real instructions on x86-64
 * and arm64, so that the program exists once and an architecture is a table of encodings.
 *
 * Always holds: the length of an encoding does not depend on where labels lie, so two passes place them.
 */

/**
 * `result` holds what a system call answered (on arm64 it is the same register as `arg0`); `arg…` are its
 * arguments; `keep…` survive system calls, the others do not.
 */
export type Register =
  | "result"
  | "arg0"
  | "arg1"
  | "arg2"
  | "arg3"
  | "arg4"
  | "arg5"
  | "keep0"
  | "keep1"
  | "keep2"
  | "keep3"
  | "keep4"
  | "temp0"
  | "temp1";

export type SyscallName =
  | "read"
  | "write"
  | "socket"
  | "connect"
  | "sendto"
  | "shutdown"
  | "setsockopt"
  | "exit_group";

/** Signed comparison of the last `compare` or `compareValue`. */
export type Condition = "always" | "equal" | "notEqual" | "less";

export type Instruction =
  | { readonly op: "label"; readonly name: string }
  /** A constant of 0 to 2³² − 1. */
  | { readonly op: "set"; readonly to: Register; readonly value: number }
  /** The absolute address of a label, of code or data. */
  | { readonly op: "address"; readonly to: Register; readonly of: string }
  /** The stack pointer, which at entry points to argc, argv and the environment (System V ABI). */
  | { readonly op: "stack"; readonly to: Register }
  | { readonly op: "copy"; readonly to: Register; readonly from: Register }
  /** `loadByte` clears the upper bits; a word has 8 bytes. */
  | { readonly op: "loadByte" | "loadWord"; readonly to: Register; readonly at: Register }
  | { readonly op: "storeByte"; readonly from: Register; readonly at: Register }
  | { readonly op: "add" | "subtract"; readonly to: Register; readonly by: Register }
  /** By 0 to 4095. */
  | { readonly op: "increase"; readonly to: Register; readonly by: number }
  | { readonly op: "compare"; readonly left: Register; readonly right: Register }
  /** With −4095 to 4095. */
  | { readonly op: "compareValue"; readonly left: Register; readonly value: number }
  | { readonly op: "branch"; readonly when: Condition; readonly to: string }
  | { readonly op: "syscall"; readonly name: SyscallName };

/** What the assembler knows of an architecture. */
export interface Architecture {
  /** `e_machine` of the ELF header. */
  readonly elfMachine: number;
  /** `here` is the address of the instruction; `addressOf` answers `here` while labels are being placed. */
  encode(instruction: Instruction, here: number, addressOf: (label: string) => number): readonly number[];
}

/**
 * arm64 (AArch64) encodings (Arm ARM, DDI 0487, section C6; system call numbers of Linux'
 * asm-generic/unistd.h). 64-bit operands throughout; the call number goes to x8.
 */
import type { Architecture, Condition, Instruction, Register, SyscallName } from "./instruction.ts";

const registers: Readonly<Record<Register, number>> = {
  result: 0,
  arg0: 0,
  arg1: 1,
  arg2: 2,
  arg3: 3,
  arg4: 4,
  arg5: 5,
  temp0: 9,
  temp1: 10,
  keep0: 19,
  keep1: 20,
  keep2: 21,
  keep3: 22,
  keep4: 23,
};
const syscallNumber = 8;
/** Register 31: the stack pointer in ADD (immediate), zero in ORR and SUBS. */
const thirtyOne = 31;

const syscalls: Readonly<Record<SyscallName, number>> = {
  read: 63,
  write: 64,
  exit_group: 94,
  socket: 198,
  connect: 203,
  sendto: 206,
  setsockopt: 208,
  shutdown: 210,
};

const conditions: Readonly<Record<Exclude<Condition, "always">, number>> = {
  equal: 0,
  notEqual: 1,
  less: 11,
};

const word = (value: number) => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 24) & 0xff,
];

/** Shifted-register form: destination, first and second operand. */
const three = (opcode: number, to: number, left: number, right: number) =>
  word(opcode | (right << 16) | (left << 5) | to);

/** Immediate form with 12 bits. */
const withImmediate = (opcode: number, to: number, from: number, value: number) =>
  word(opcode | (value << 10) | (from << 5) | to);

/** Load and store without offset. */
const memory = (opcode: number, register: number, base: number) => word(opcode | (base << 5) | register);

/** MOVZ of the lower and MOVK of the upper 16 bits. */
const moveImmediate = (to: number, value: number) => [
  ...word(0xd2800000 | ((value & 0xffff) << 5) | to),
  ...word(0xf2a00000 | (((value >>> 16) & 0xffff) << 5) | to),
];

function encode(instruction: Instruction, here: number, addressOf: (label: string) => number): number[] {
  const of = (register: Register) => registers[register];
  switch (instruction.op) {
    case "label":
      return [];
    case "set":
      return moveImmediate(of(instruction.to), instruction.value);
    case "address":
      return moveImmediate(of(instruction.to), addressOf(instruction.of));
    case "stack":
      return withImmediate(0x91000000, of(instruction.to), thirtyOne, 0); // ADD to, sp, 0
    case "copy":
      return three(0xaa000000, of(instruction.to), thirtyOne, of(instruction.from)); // ORR to, xzr, from
    case "loadByte":
      return memory(0x39400000, of(instruction.to), of(instruction.at)); // LDRB
    case "loadWord":
      return memory(0xf9400000, of(instruction.to), of(instruction.at)); // LDR
    case "storeByte":
      return memory(0x39000000, of(instruction.from), of(instruction.at)); // STRB
    case "add":
      return three(0x8b000000, of(instruction.to), of(instruction.to), of(instruction.by)); // ADD
    case "subtract":
      return three(0xcb000000, of(instruction.to), of(instruction.to), of(instruction.by)); // SUB
    case "increase":
      return withImmediate(0x91000000, of(instruction.to), of(instruction.to), instruction.by); // ADD
    case "compare":
      return three(0xeb000000, thirtyOne, of(instruction.left), of(instruction.right)); // SUBS xzr
    case "compareValue": {
      const opcode = instruction.value < 0 ? 0xb1000000 : 0xf1000000; // ADDS xzr (CMN), SUBS xzr (CMP)
      return withImmediate(opcode, thirtyOne, of(instruction.left), Math.abs(instruction.value));
    }
    case "branch": {
      const words = (addressOf(instruction.to) - here) >> 2;
      if (instruction.when === "always") return word(0x14000000 | (words & 0x3ffffff)); // B
      return word(0x54000000 | ((words & 0x7ffff) << 5) | conditions[instruction.when]); // B.cond
    }
    case "syscall":
      return [...moveImmediate(syscallNumber, syscalls[instruction.name]), ...word(0xd4000001)]; // SVC 0
  }
}

export const arm64: Architecture = { elfMachine: 183, encode };

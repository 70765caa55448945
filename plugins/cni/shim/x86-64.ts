/**
 * x86-64 encodings (Intel SDM volume 2; system call numbers of Linux' syscall_64.tbl). 64-bit operands
 * throughout; memory operands are always [register + 0 in 8 bits], which every base but rsp and r12 allows.
 */
import type { Architecture, Condition, Instruction, Register, SyscallName } from "./instruction.ts";

const registers: Readonly<Record<Register, number>> = {
  result: 0, // rax
  temp0: 1, // rcx, which a system call destroys
  arg2: 2, // rdx
  keep0: 3, // rbx
  keep1: 5, // rbp
  arg1: 6, // rsi
  arg0: 7, // rdi
  arg4: 8, // r8
  arg5: 9, // r9
  arg3: 10, // r10
  temp1: 11, // r11, which a system call destroys
  keep2: 13, // r13
  keep3: 14, // r14
  keep4: 15, // r15
};
const stackPointer = 4;

const syscalls: Readonly<Record<SyscallName, number>> = {
  read: 0,
  write: 1,
  socket: 41,
  connect: 42,
  sendto: 44,
  shutdown: 48,
  setsockopt: 54,
  exit_group: 231,
};

/** Second byte of the near conditional jumps 0F 8x. */
const jumps: Readonly<Record<Exclude<Condition, "always">, number>> = {
  equal: 0x84,
  notEqual: 0x85,
  less: 0x8c,
};

/** REX.W with the high bits of the ModRM fields `reg` and `rm`. */
const rexW = (reg: number, rm: number) => 0x48 | ((reg >> 3) << 2) | (rm >> 3);
const direct = (reg: number, rm: number) => 0xc0 | ((reg & 7) << 3) | (rm & 7);
const memory = (reg: number, base: number) => [0x40 | ((reg & 7) << 3) | (base & 7), 0];
const int32 = (value: number) => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >> 24) & 0xff,
];

/** `opcode reg, rm` between two registers. */
const between = (opcode: number, reg: number, rm: number) => [rexW(reg, rm), opcode, direct(reg, rm)];

/** MOV r32, imm32: clears the upper half. */
const moveImmediate = (to: number, value: number) => [0x40 | (to >> 3), 0xb8 | (to & 7), ...int32(value)];

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
      return between(0x89, stackPointer, of(instruction.to)); // MOV
    case "copy":
      return between(0x89, of(instruction.from), of(instruction.to)); // MOV
    case "loadByte": {
      const [to, at] = [of(instruction.to), of(instruction.at)];
      return [rexW(to, at), 0x0f, 0xb6, ...memory(to, at)]; // MOVZX
    }
    case "loadWord": {
      const [to, at] = [of(instruction.to), of(instruction.at)];
      return [rexW(to, at), 0x8b, ...memory(to, at)]; // MOV
    }
    case "storeByte": {
      const [from, at] = [of(instruction.from), of(instruction.at)];
      return [rexW(from, at), 0x88, ...memory(from, at)]; // MOV
    }
    case "add":
      return between(0x01, of(instruction.by), of(instruction.to)); // ADD
    case "subtract":
      return between(0x29, of(instruction.by), of(instruction.to)); // SUB
    case "increase":
      return immediate(0, of(instruction.to), instruction.by); // ADD
    case "compare":
      return between(0x39, of(instruction.right), of(instruction.left)); // CMP
    case "compareValue":
      return immediate(7, of(instruction.left), instruction.value); // CMP
    case "branch": {
      const opcode = instruction.when === "always" ? [0xe9] : [0x0f, jumps[instruction.when]];
      return [...opcode, ...int32(addressOf(instruction.to) - (here + opcode.length + 4))]; // JMP, Jcc
    }
    case "syscall":
      return [...moveImmediate(registers.result, syscalls[instruction.name]), 0x0f, 0x05]; // SYSCALL
  }
}

/** Group 1: `81 /operation id` on a 64-bit register, the immediate sign-extended. */
function immediate(operation: number, register: number, value: number): number[] {
  return [rexW(0, register), 0x81, direct(operation, register), ...int32(value)];
}

export const x86_64: Architecture = { elfMachine: 62, encode };

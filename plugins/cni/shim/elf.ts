/**
 * Assembles a program into a static ELF executable: one segment of code and constants that cannot be written,
 * one of zeroed memory that cannot be executed. Fixed addresses, no sections, no symbols, nothing to link:
 * the kernel maps two segments and jumps. Source: elf(5), System V gABI chapters 4 and 5.
 */
import { FabricError } from "../../../errors/index.ts";
import type { Architecture, Instruction } from "./instruction.ts";

export interface Program {
  readonly code: readonly Instruction[];
  /** Constants, placed behind the code; each is aligned to 8. */
  readonly constants: Readonly<Record<string, Uint8Array>>;
  /** The zeroed memory: its label, and a second label for its end. */
  readonly memory: { readonly start: string; readonly end: string; readonly bytes: number };
}

const baseAddress = 0x400000;
/** The largest page size of either architecture (arm64 kernels with 64 KiB pages). */
const pageBytes = 0x10000;
const headerBytes = 64;
const segmentBytes = 56;
const segments = 3;
const codeAddress = baseAddress + headerBytes + segments * segmentBytes;

/** @throws CNI_SHIM_INVALID for a label that is missing or there twice: a mistake in the program */
export function assemble(program: Program, architecture: Architecture): Uint8Array {
  const labels = new Map<string, number>();
  const place = (label: string, address: number) => {
    if (labels.has(label)) throw invalid(label, "it is there twice");
    labels.set(label, address);
  };
  const addressOf = (label: string) => {
    const address = labels.get(label);
    if (address === undefined) throw invalid(label, "there is no such label");
    return address;
  };

  let end = codeAddress;
  for (const instruction of program.code) {
    if (instruction.op === "label") place(instruction.name, end);
    end += architecture.encode(instruction, end, () => codeAddress).length;
  }
  for (const [label, bytes] of Object.entries(program.constants)) {
    end = roundUp(end, 8);
    place(label, end);
    end += bytes.length;
  }
  const memoryAddress = roundUp(end, pageBytes);
  place(program.memory.start, memoryAddress);
  place(program.memory.end, memoryAddress + program.memory.bytes);

  const file = new Uint8Array(end - baseAddress);
  file.set(header(architecture, end - baseAddress, memoryAddress, program.memory.bytes));
  let at = codeAddress;
  for (const instruction of program.code) {
    const bytes = architecture.encode(instruction, at, addressOf);
    file.set(bytes, at - baseAddress);
    at += bytes.length;
  }
  for (const [label, bytes] of Object.entries(program.constants))
    file.set(bytes, addressOf(label) - baseAddress);
  return file;
}

function header(
  architecture: Architecture,
  fileBytes: number,
  memoryAddress: number,
  memoryBytes: number,
): Uint8Array {
  const bytes = new Uint8Array(headerBytes + segments * segmentBytes);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // "\x7fELF", 64 bits, little endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, architecture.elfMachine, true);
  view.setUint32(20, 1, true); // version
  word(24, codeAddress); // entry
  word(32, headerBytes); // program headers follow at once
  view.setUint16(52, headerBytes, true);
  view.setUint16(54, segmentBytes, true);
  view.setUint16(56, segments, true);
  view.setUint16(58, 64, true); // size of a section header, of which there is none

  const segment = (
    index: number,
    type: number,
    flags: number,
    address: number,
    file: number,
    memory: number,
  ) => {
    const at = headerBytes + index * segmentBytes;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    word(at + 16, address); // the offset in the file stays 0
    word(at + 24, address);
    word(at + 32, file);
    word(at + 40, memory);
    word(at + 48, pageBytes);
  };
  const [load, stack] = [1, 0x6474e551]; // PT_LOAD, PT_GNU_STACK
  const [execute, write, read] = [1, 2, 4];
  segment(0, load, read | execute, baseAddress, fileBytes, fileBytes);
  segment(1, load, read | write, memoryAddress, 0, memoryBytes);
  segment(2, stack, read | write, 0, 0, 0);
  return bytes;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function invalid(label: string, why: string): FabricError {
  return new FabricError("CNI_SHIM_INVALID", `assemble the CNI shim: label ${JSON.stringify(label)}: ${why}`);
}

/** Each instruction against bytes that GNU as and objdump agree on (the disassembly stands beside them). */
import { describe, expect, test } from "vitest";
import { arm64 } from "./arm64.ts";
import type { Architecture, Instruction } from "./instruction.ts";
import { x86_64 } from "./x86-64.ts";

type Row = readonly [assembly: string, instruction: Instruction, bytes: string];

const here = 0x400100;

const x86Rows: readonly Row[] = [
  ["mov eax, 1", { op: "set", to: "result", value: 1 }, "40b801000000"],
  ["mov r15d, 0x12345678", { op: "set", to: "keep4", value: 0x12345678 }, "41bf78563412"],
  ["mov eax, 0xffffffff", { op: "set", to: "result", value: 0xffffffff }, "40b8ffffffff"],
  ["mov esi, 0x400200", { op: "address", to: "arg1", of: "ahead" }, "40be00024000"],
  ["mov rbx, rsp", { op: "stack", to: "keep0" }, "4889e3"],
  ["mov rdi, r14", { op: "copy", to: "arg0", from: "keep3" }, "4c89f7"],
  ["mov r13, rax", { op: "copy", to: "keep2", from: "result" }, "4989c5"],
  ["movzx rcx, byte ptr [rdi+0]", { op: "loadByte", to: "temp0", at: "arg0" }, "480fb64f00"],
  ["movzx r11, byte ptr [r13+0]", { op: "loadByte", to: "temp1", at: "keep2" }, "4d0fb65d00"],
  ["mov rcx, qword ptr [rbx+0]", { op: "loadWord", to: "temp0", at: "keep0" }, "488b4b00"],
  ["mov byte ptr [rbp+0], cl", { op: "storeByte", from: "temp0", at: "keep1" }, "48884d00"],
  ["mov byte ptr [r15+0], sil", { op: "storeByte", from: "arg1", at: "keep4" }, "49887700"],
  ["add rbx, rcx", { op: "add", to: "keep0", by: "temp0" }, "4801cb"],
  ["sub rdx, rbp", { op: "subtract", to: "arg2", by: "keep1" }, "4829ea"],
  ["add rbx, 4095", { op: "increase", to: "keep0", by: 4095 }, "4881c3ff0f0000"],
  ["cmp rbp, r15", { op: "compare", left: "keep1", right: "keep4" }, "4c39fd"],
  ["cmp rax, -4", { op: "compareValue", left: "result", value: -4 }, "4881f8fcffffff"],
  ["cmp r13, 2", { op: "compareValue", left: "keep2", value: 2 }, "4981fd02000000"],
  ["mov eax, 0; syscall", { op: "syscall", name: "read" }, "40b8000000000f05"],
  ["mov eax, 231; syscall", { op: "syscall", name: "exit_group" }, "40b8e70000000f05"],
  ["jmp .+0x100", { op: "branch", when: "always", to: "ahead" }, "e9fb000000"],
  ["je .+0x100", { op: "branch", when: "equal", to: "ahead" }, "0f84fa000000"],
  ["jne .-0x10", { op: "branch", when: "notEqual", to: "behind" }, "0f85eaffffff"],
  ["jl .+0x100", { op: "branch", when: "less", to: "ahead" }, "0f8cfa000000"],
];

const arm64Rows: readonly Row[] = [
  ["movz x0, 1; movk x0, 0, lsl 16", { op: "set", to: "result", value: 1 }, "200080d20000a0f2"],
  ["movz x23, 0x5678; movk x23, 0x1234", { op: "set", to: "keep4", value: 0x12345678 }, "17cf8ad29746a2f2"],
  ["movz x1, 0x200; movk x1, 0x40", { op: "address", to: "arg1", of: "ahead" }, "014080d20108a0f2"],
  ["mov x19, sp", { op: "stack", to: "keep0" }, "f3030091"],
  ["mov x0, x22", { op: "copy", to: "arg0", from: "keep3" }, "e00316aa"],
  ["mov x21, x0", { op: "copy", to: "keep2", from: "result" }, "f50300aa"],
  ["ldrb w9, [x0]", { op: "loadByte", to: "temp0", at: "arg0" }, "09004039"],
  ["ldr x9, [x19]", { op: "loadWord", to: "temp0", at: "keep0" }, "690240f9"],
  ["strb w9, [x20]", { op: "storeByte", from: "temp0", at: "keep1" }, "89020039"],
  ["add x19, x19, x9", { op: "add", to: "keep0", by: "temp0" }, "7302098b"],
  ["sub x2, x2, x20", { op: "subtract", to: "arg2", by: "keep1" }, "420014cb"],
  ["add x19, x19, 4095", { op: "increase", to: "keep0", by: 4095 }, "73fe3f91"],
  ["cmp x20, x23", { op: "compare", left: "keep1", right: "keep4" }, "9f0217eb"],
  ["cmn x0, 4", { op: "compareValue", left: "result", value: -4 }, "1f1000b1"],
  ["cmp x21, 2", { op: "compareValue", left: "keep2", value: 2 }, "bf0a00f1"],
  ["movz x8, 63; movk x8, 0; svc 0", { op: "syscall", name: "read" }, "e80780d20800a0f2010000d4"],
  ["b .+0x100", { op: "branch", when: "always", to: "ahead" }, "40000014"],
  ["b.eq .+0x100", { op: "branch", when: "equal", to: "ahead" }, "00080054"],
  ["b.ne .-0x10", { op: "branch", when: "notEqual", to: "behind" }, "81ffff54"],
  ["b.lt .+0x100", { op: "branch", when: "less", to: "ahead" }, "0b080054"],
];

const suites: readonly (readonly [string, Architecture, readonly Row[]])[] = [
  ["x86-64", x86_64, x86Rows],
  ["arm64", arm64, arm64Rows],
];

describe.each(suites)("%s", (_name, architecture, rows) => {
  const labels: Readonly<Record<string, number>> = { ahead: here + 0x100, behind: here - 0x10 };

  test.each(rows)("encodes %s", (_assembly, instruction, bytes) => {
    const encoded = architecture.encode(instruction, here, (label) => labels[label] ?? 0);
    expect(Buffer.from(encoded).toString("hex")).toBe(bytes);
  });

  test.each(rows)("%s has the same length wherever labels lie", (_assembly, instruction, bytes) => {
    const encoded = architecture.encode(instruction, here, () => here);
    expect(encoded.length).toBe(bytes.length / 2);
  });

  test("a label takes no room", () => {
    expect(architecture.encode({ op: "label", name: "x" }, here, () => here)).toEqual([]);
  });
});

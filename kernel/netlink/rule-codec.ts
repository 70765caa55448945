/** Policy rules to and from netlink (RTM_NEWRULE, `struct fib_rule_hdr`; linux/fib_rules.h, ip-rule(8)). */
import {
  type Cidr,
  cidrFirst,
  cidrFromIp,
  cidrPrefix,
  type Family,
  ipFromBytes,
  ipToBytes,
} from "../../addr/index.ts";
import type { Rule } from "../kernel.ts";
import { familyNumber } from "./address-codec.ts";
import { actionToTable, addressFamily, fra } from "./constants.ts";
import { type Attributes, readAttributes, readU8, readU32 } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const headerLength = 12;
const wholeMark = 0xffffffff;

export function writeRule(writer: MessageWriter, rule: Rule): void {
  const length = (cidr: Cidr | undefined) => (cidr === undefined ? 0 : cidrPrefix(cidr));
  writer.u8(familyNumber(rule.family)).u8(length(rule.to)).u8(length(rule.from)).u8(0);
  writer
    .u8(rule.table < 256 ? rule.table : 0)
    .u8(0)
    .u8(0)
    .u8(actionToTable)
    .u32(0);
  writer.attributeU32(fra.table, rule.table).attributeU32(fra.priority, rule.priority);
  writer.attributeU8(fra.protocol, rule.protocol);
  if (rule.to !== undefined) writer.attribute(fra.destination, ipToBytes(cidrFirst(rule.to)));
  if (rule.from !== undefined) writer.attribute(fra.source, ipToBytes(cidrFirst(rule.from)));
  if (rule.fwmark === undefined) return;
  writer.attributeU32(fra.mark, rule.fwmark).attributeU32(fra.mask, rule.fwmask ?? wholeMark);
}

export function writeRuleQuery(writer: MessageWriter, family: Family): void {
  writer.u8(familyNumber(family)).zeros(headerLength - 1);
}

/** Undefined for a rule that does not lead to a table. @throws KERNEL_BAD_MESSAGE */
export function readRule(body: Buffer): Rule | undefined {
  const attributes = readAttributes(body, headerLength);
  if (body.readUInt8(7) !== actionToTable) return undefined;
  const from = readBlock(attributes, fra.source, body.readUInt8(2));
  const to = readBlock(attributes, fra.destination, body.readUInt8(1));
  const fwmark = readU32(attributes, fra.mark);
  const fwmask = readU32(attributes, fra.mask) ?? wholeMark;
  const isMarked = fwmark !== undefined && (fwmark !== 0 || attributes.get(fra.mask) !== undefined);
  return {
    family: body.readUInt8(0) === addressFamily.ipv4 ? 4 : 6,
    priority: readU32(attributes, fra.priority) ?? 0,
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(isMarked ? { fwmark } : {}),
    ...(isMarked && fwmask !== wholeMark ? { fwmask } : {}),
    table: readU32(attributes, fra.table) ?? body.readUInt8(4),
    protocol: readU8(attributes, fra.protocol) ?? 0,
  };
}

function readBlock(attributes: Attributes, type: number, prefix: number): Cidr | undefined {
  const bytes = attributes.get(type);
  return bytes && cidrFromIp(ipFromBytes(bytes), prefix);
}

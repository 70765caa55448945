/**
 * Text to bytes and back for both families, without allocation beyond the result. Parsers answer undefined
 * for bad text, so that `ip.ts` and `cidr.ts` can each say what they were doing.
 * Sources: RFC 4291 section 2.2 (IPv6 text), RFC 5952 section 4 (canonical form), RFC 6943 section 3.1.1
 * (why loose IPv4 notations are dangerous).
 */

const ipv4MaxLength = 15;
const ipv6MaxLength = 45;

export function ipv4ToBytes(text: string): Uint8Array | undefined {
  if (text.length > ipv4MaxLength) return undefined;
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    const value = decimalByte(part);
    if (value === undefined) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

export function ipv6ToBytes(text: string): Uint8Array | undefined {
  if (text.length < 2 || text.length > ipv6MaxLength) return undefined;
  const gap = text.indexOf("::");
  if (gap < 0) {
    const groups = groupsOf(text, true);
    return groups?.length === 8 ? toBytes(groups, []) : undefined;
  }
  const headText = text.slice(0, gap);
  const tailText = text.slice(gap + 2);
  if (tailText.includes("::")) return undefined;
  const head = headText === "" ? [] : groupsOf(headText, false);
  const tail = tailText === "" ? [] : groupsOf(tailText, true);
  if (!head || !tail || head.length + tail.length > 7) return undefined;
  return toBytes(head, tail);
}

export function printIpv4(bytes: Uint8Array): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
export function printIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  if (isMappedIpv4(groups)) return `::ffff:${printIpv4(bytes.subarray(12))}`;
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** ::ffff:0:0/96 is shown with its dotted quad (RFC 5952 section 5). */
function isMappedIpv4(groups: readonly number[]): boolean {
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
    start += length;
  }
  return best;
}

function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes(".")) {
      const quad = ipv4ToBytes(part);
      if (!quad) return undefined;
      groups.push(((quad[0] ?? 0) << 8) | (quad[1] ?? 0), ((quad[2] ?? 0) << 8) | (quad[3] ?? 0));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function toBytes(head: readonly number[], tail: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(16);
  const put = (group: number, at: number) => {
    bytes[at * 2] = group >> 8;
    bytes[at * 2 + 1] = group & 0xff;
  };
  head.forEach((group, i) => {
    put(group, i);
  });
  tail.forEach((group, i) => {
    put(group, 8 - tail.length + i);
  });
  return bytes;
}

function decimalByte(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= 255 ? value : undefined;
}

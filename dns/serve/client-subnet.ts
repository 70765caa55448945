/**
 * The EDNS client subnet (RFC 7871): a resolver says for which network it asks, and is told for which network the
 * answer holds. Family, source prefix and address go back as they came; the scope is the source prefix where the
 * answer was made for it, and 0 where it is good for everybody.
 */
import { type Cidr, cidrFromIp, ipFromBytes } from "../../addr/index.ts";
import { clientSubnetOption, type Edns, type EdnsOption } from "../wire/index.ts";

export interface ClientSubnet {
  /** Undefined: the client does not want its network to be looked at (a source prefix of 0). */
  readonly subnet: Cidr | undefined;
  readonly option: EdnsOption;
}

const headBytes = 4;
const families: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

/** Undefined when there is none; `malformed` is to be answered with FORMERR (section 7.1.2). */
export function clientSubnetOf(edns: Edns | undefined): ClientSubnet | "malformed" | undefined {
  const option = edns?.options.find(({ code }) => code === clientSubnetOption);
  if (!option) return undefined;
  const { data } = option;
  const [familyHigh = 0, familyLow = 0, source = 0, scope = 0] = data;
  const bytes = data.subarray(headBytes);
  const size = families[(familyHigh << 8) | familyLow];
  if (data.length < headBytes || scope !== 0 || bytes.length !== Math.ceil(source / 8)) return "malformed";
  if (source === 0) return { subnet: undefined, option };
  if (size === undefined || source > size * 8) return "malformed";
  const unused = bytes.length * 8 - source;
  if (((bytes.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0) return "malformed";
  const whole = new Uint8Array(size);
  whole.set(bytes);
  return { subnet: cidrFromIp(ipFromBytes(whole), source), option };
}

/** The option of the reply. */
export function replySubnet({ option }: ClientSubnet, tailored: boolean): EdnsOption {
  const data = Uint8Array.from(option.data);
  data[3] = tailored ? (data[2] ?? 0) : 0;
  return { code: option.code, data };
}

/** The DNS wire format: messages in memory, to bytes and back (RFC 1035, 3597, 6891). */
export { decodeMessage } from "./decode.ts";
export { encodeMessage } from "./encode.ts";
export {
  type DnsRecord,
  type Edns,
  type EdnsOption,
  emptyMessage,
  headerBytes,
  type Message,
  messageBytesMax,
  type Question,
} from "./message.ts";
export { escapeLabel, isPlainName, lowerName, nameBytesMax, nameFromLabels, nameLabels } from "./name.ts";
export {
  classIn,
  clientSubnetOption,
  cookieOption,
  extendedErrorOption,
  extendedErrors,
  keepaliveOption,
  opcodeQuery,
  paddingOption,
  rcodeName,
  rcodes,
  type TypeName,
  typeName,
  typeNumber,
  typeNumbers,
} from "./numbers.ts";
export {
  type KnownType,
  knownTypes,
  type Layout,
  layouts,
  type Rdata,
  type RdataOf,
  rdataType,
  type UnknownRdata,
} from "./rdata-layout.ts";

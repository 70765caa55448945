/** Synchronous calls into the C library, and work inside of another network namespace. */
export {
  bindSocket,
  closeDescriptor,
  openMemoryFile,
  openSocket,
  receive,
  replaceDescriptor,
  send,
  setSocketOption,
} from "./libc.ts";
export { type NetnsHandle, openNetns, withinNetns, withNetns } from "./netns.ts";

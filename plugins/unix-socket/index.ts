/** Sockets in the file system that plugins listen on. */
export { clearSocket } from "./clear-socket.ts";

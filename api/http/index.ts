/** The door to the HTTP listener. */
export { type HttpAddress, HttpServer, type HttpServerOptions } from "./http-server.ts";
export { defaultHttpLimits, type HttpLimits } from "./limits.ts";

/** Sockets that take queries. */
export { Certificate, type CertificateFiles } from "./certificate.ts";
export { FrameReader, frame } from "./frames.ts";
export { listenFailed } from "./listen-failed.ts";
export { type TcpHandlers, type TcpLimits, TcpListener } from "./tcp.ts";
export { type Endpoint, type UdpHandlers, type UdpLimits, UdpListener } from "./udp.ts";

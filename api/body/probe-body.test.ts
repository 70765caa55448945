import { expect, test } from "vitest";
import { BodyFields } from "./body-fields.ts";
import { readProbe } from "./probe-body.ts";

const pace = { intervalMs: 1000 };

test.each([
  [
    { TCP: "h:1", TCPUseTLS: true, TLSServerName: "n" },
    { kind: "tcp", host: "h", port: 1, tls: true, tlsServerName: "n", ...pace },
  ],
  [{ TCP: "[::1]:1" }, { kind: "tcp", host: "::1", port: 1, tls: false, ...pace }],
  [
    { UDP: "h:53", Timeout: "2s" },
    { kind: "udp", host: "h", port: 53, timeoutMs: 2000, ...pace },
  ],
  [{ GRPC: "h:1" }, { kind: "grpc", host: "h", port: 1, service: "", tls: false, ...pace }],
  [
    { grpc: "h:1/a.B/c", grpc_use_tls: true, TLSSkipVerify: true },
    { kind: "grpc", host: "h", port: 1, service: "a.B/c", tls: true, tlsSkipVerify: true, ...pace },
  ],
  [{ H2PING: "h:1" }, { kind: "h2ping", host: "h", port: 1, tls: true, ...pace }],
  [
    { H2PING: "h:1", H2PingUseTLS: false },
    { kind: "h2ping", host: "h", port: 1, tls: false, ...pace },
  ],
  [
    { DockerContainerID: "web", Shell: "/bin/bash", Args: ["test", "x"] },
    { kind: "exec", container: "web", args: ["test", "x"], ...pace },
  ],
  [{ Args: ["true"] }, { kind: "script", args: ["true"], ...pace }],
])("%j is %j", (body, probe) => {
  expect(readProbe(BodyFields.of({ Interval: "1s", ...body }, ""))).toEqual(probe);
});

test.each([
  [{ AliasService: "db" }, { kind: "alias", service: "db" }],
  [{ alias_node: "n2" }, { kind: "alias", node: "n2" }],
  [
    { AliasNode: "n2", AliasService: "db" },
    { kind: "alias", node: "n2", service: "db" },
  ],
])("%j is %j, without an interval", (body, probe) => {
  expect(readProbe(BodyFields.of(body, ""))).toEqual(probe);
});

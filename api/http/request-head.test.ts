import { describe, expect, test } from "vitest";
import { parseHead } from "./request-head.ts";

/** Of a request line and header lines. */
function head(...lines: readonly string[]) {
  return parseHead(lines.join("\r\n"));
}

describe("parseHead() reads", () => {
  test("what a client of Consul sends", () => {
    expect(
      head(
        "GET /v1/kv/a%2fb?index=5&wait=5m HTTP/1.1",
        "Host: 127.0.0.1:8500",
        "User-Agent: Go-http-client/1.1",
        "X-Consul-Token:  secret \t",
        "Accept: a",
        "accept: b",
        "__proto__: x",
      ),
    ).toMatchObject({
      kind: "head",
      method: "GET",
      target: "/v1/kv/a%2fb?index=5&wait=5m",
      headers: { host: "127.0.0.1:8500", "x-consul-token": "secret", accept: "a, b", ["__proto__"]: "x" },
      framing: { kind: "none" },
      staysOpen: true,
      isHttp10: false,
      expectsContinue: false,
    });
  });

  test.each([
    ["HTTP/1.1", [], true],
    ["HTTP/1.1", ["Connection: Close"], false],
    ["HTTP/1.1", ["Connection: te, close"], false],
    ["HTTP/1.0", [], false],
    ["HTTP/1.0", ["Connection: Keep-Alive"], true],
    ["HTTP/1.0", ["Connection: keep-alive, close"], false],
  ])("%s with %j: the connection goes on: %j", (version, lines, staysOpen) => {
    expect(head(`GET / ${version}`, "Host: x", ...lines)).toMatchObject({ staysOpen });
  });

  test.each([
    [["Content-Length: 0"], { kind: "none" }],
    [["Content-Length: 12"], { kind: "length", bytes: 12 }],
    [["Transfer-Encoding: Chunked"], { kind: "chunked" }],
  ])("the framing of %j", (lines, framing) => {
    expect(head("PUT / HTTP/1.1", "Host: x", ...lines)).toMatchObject({ framing });
  });

  test.each([
    ["http://other:80/v1/kv/a?b", "/v1/kv/a?b"],
    ["http://other:80?b", "/?b"],
    ["HTTP://other:80", "/"],
  ])("the absolute target %s, whose host counts", (written, target) => {
    expect(head(`GET ${written} HTTP/1.1`, "Host: x")).toMatchObject({
      target,
      headers: { host: "other:80" },
    });
  });

  test("HTTP/1.0 without a host, and 100-continue of HTTP/1.1 only", () => {
    expect(head("GET / HTTP/1.0")).toMatchObject({ kind: "head", isHttp10: true });
    const expecting = ["Host: x", "Content-Length: 1", "Expect: 100-Continue"];
    expect(head("PUT / HTTP/1.1", ...expecting)).toMatchObject({ expectsContinue: true });
    expect(head("PUT / HTTP/1.0", ...expecting)).toMatchObject({ expectsContinue: false });
  });
});

describe("parseHead() refuses", () => {
  const get = "GET / HTTP/1.1";
  test.each<[string, number, readonly string[]]>([
    ["no request line", 400, ["hello"]],
    ["two spaces", 400, ["GET  / HTTP/1.1", "Host: x"]],
    ["a space in the target", 400, ["GET /a b HTTP/1.1", "Host: x"]],
    ["bytes beyond ASCII in the target", 400, ["GET /\xe9 HTTP/1.1", "Host: x"]],
    ["a target that is no path", 400, ["GET v1/kv HTTP/1.1", "Host: x"]],
    ["a target with a user", 400, ["GET http://user@x/ HTTP/1.1", "Host: x"]],
    ["the target of CONNECT", 400, ["GET x:80 HTTP/1.1", "Host: x"]],
    ["another version", 505, ["GET / HTTP/2.0", "Host: x"]],
    ["a version that there is not", 505, ["GET / HTTP/1.2", "Host: x"]],
    ["a method that there is not", 501, ["BREW / HTTP/1.1", "Host: x"]],
    ["CONNECT", 501, ["CONNECT x:80 HTTP/1.1", "Host: x"]],
    ["no host", 400, [get]],
    ["two hosts", 400, [get, "Host: x", "Host: x"]],
    ["a host that is none", 400, [get, "Host: x, y"]],
    ["a folded header", 400, [get, "Host: x", "A: b", " c"]],
    ["a space before the colon", 400, [get, "Host: x", "Content-Length : 5"]],
    ["a header without a name", 400, [get, "Host: x", ": a"]],
    ["a bare line feed", 400, [get, "Host: x", "A: b\nContent-Length: 5"]],
    ["a bare carriage return", 400, [get, "Host: x", "A: b\rContent-Length: 5"]],
    ["NUL", 400, [get, "Host: x", "A: \0"]],
    ["Content-Length twice", 400, [get, "Host: x", "Content-Length: 5", "Content-Length: 5"]],
    ["a list of lengths", 400, [get, "Host: x", "Content-Length: 5, 5"]],
    ["a signed length", 400, [get, "Host: x", "Content-Length: +5"]],
    ["a length in hex", 400, [get, "Host: x", "Content-Length: 0x5"]],
    ["a length beyond counting", 400, [get, "Host: x", "Content-Length: 18446744073709551616"]],
    ["both framings", 400, [get, "Host: x", "Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["chunks in HTTP/1.0", 400, ["PUT / HTTP/1.0", "Transfer-Encoding: chunked"]],
    ["another coding", 501, [get, "Host: x", "Transfer-Encoding: gzip, chunked"]],
    ["a coding that hides", 501, [get, "Host: x", "Transfer-Encoding: xchunked"]],
    ["two codings", 400, [get, "Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"]],
    ["two tokens", 400, [get, "Host: x", "X-Consul-Token: a", "x-consul-token: b"]],
    ["an expectation that there is not", 417, [get, "Host: x", "Expect: a miracle"]],
  ])("%s with %i", (_, status, lines) => {
    expect(head(...lines)).toMatchObject({ kind: "refusal", status });
  });
});

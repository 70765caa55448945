/** Requests that are fine, and what readers of HTTP stumble over: the fuzzers break the one with the other. */
const service = '{"Name":"web","ID":"web-1","Tags":["a"],"Port":80,"Check":{"TTL":"10s"}}';
const operations = '[{"KV":{"Verb":"set","Key":"a","Value":"YQ=="}},{"KV":{"Verb":"get","Key":"a"}}]';
export const httpSeeds: readonly Buffer[] = [
  get("/v1/kv/a?recurse&index=1&wait=1s"),
  get("/v1/kv/?keys&separator=%2f&consistent"),
  get("/v1/health/service/web?passing&tag=a&filter=Service.Port+%3e+1+and+Node+matches+%22a.*%22"),
  get("/v1/catalog/nodes?near=_agent&node-meta=a:b&pretty"),
  get("/v1/session/list?stale&max_stale=10s"),
  get("/v1/heddle/status", "Accept: text/plain\r\nOrigin: http://localhost\r\n"),
  send("PUT", "/v1/kv/a/b?cas=0&flags=42", "value"),
  send("PUT", "/v1/catalog/register", `{"Node":"x","Address":"192.0.2.1","Service":${service}}`),
  send("PUT", "/v1/session/create", '{"Node":"x","TTL":"10s","Checks":[]}'),
  send("PUT", "/v1/txn", operations),
  send("POST", "/v1/query", '{"Name":"q","Service":{"Service":"web","Tags":["!a"]}}'),
  send("PUT", "/v1/event/fire/deploy?service=web", "payload"),
  send("DELETE", "/v1/kv/a?recurse", ""),
  chunked("PUT", "/v1/snapshot", ["no", "archive", ""]),
  chunked("PUT", "/v1/kv/chunked", ["one", "two", ""]),
  Buffer.concat([get("/v1/status/leader"), get("/v1/status/peers"), send("PUT", "/v1/kv/a", "x")]),
];
/** What parsers of HTTP stumble over. */
export const httpWords = [
  ...["\r\n", "\n", "\r\n\r\n", "\0", "\r", ": ", "%00", "%", "%zz", "%2e%2e/", "//", "?", "&", "=", "\xff"],
  ...[
    "HTTP/1.0",
    "HTTP/9.9",
    "HTTP/2.0",
    "Content-Length: -1\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
  ],
  ...["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Expect: 100-continue\r\n"],
  ...["Connection: close\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n", "Host: evil\r\n", " folded\r\n"],
  ...[
    "CONNECT",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "ffffffffffffffff\r\n",
    "18446744073709551616",
    "-1",
    "1e9",
  ],
  ...["index=1&wait=10m", '{"a":'.repeat(50), "[".repeat(200), '"\\ud800"', "(a+)+$", "null", "__proto__"],
];

function get(target: string, headers = ""): Buffer {
  return Buffer.from(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:8500\r\n${headers}\r\n`);
}

function send(method: string, target: string, body: string): Buffer {
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.from(head + body);
}

function chunked(method: string, target: string, parts: readonly string[]): Buffer {
  const body = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`;
  return Buffer.from(head + body);
}

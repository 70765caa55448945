/** Who may call a port on loopback: programs by any name that they were told, browsers only for pages of this host. */
import { expect, test } from "vitest";
import { guardHost } from "./host-guard.ts";
import { plainText } from "./request.ts";

const guarded = guardHost(async () => plainText(200, "served"), ["N1", "n1.example.org"]);

async function statusOf(headers: Readonly<Record<string, string>>): Promise<number> {
  const { status } = await guarded({ method: "GET", target: "/v1/kv/a", headers, body: new Uint8Array(0) });
  return status;
}

test.each([
  ["no Host, as in HTTP/1.0", {}],
  ["an address", { host: "127.0.0.1:8500" }],
  ["an address of IPv6", { host: "[::1]:8500" }],
  ["an address without port", { host: "[::1]" }],
  ["another address, as of a port forwarding", { host: "192.0.2.7:80" }],
  ["localhost", { host: "localhost:8500" }],
  ["a name below localhost", { host: "heddle.localhost" }],
  ["the node's name", { host: "n1:8500" }],
  ["a name of ours in another case, with a dot", { host: "N1.Example.org.:8500" }],
  [
    "a page of this port",
    { host: "127.0.0.1:8500", origin: "http://127.0.0.1:8500", "sec-fetch-site": "same-origin" },
  ],
  [
    "a page of another port of this host",
    { host: "localhost:8500", origin: "http://localhost:5173", "sec-fetch-site": "same-site" },
  ],
  [
    "a page of a name of ours",
    { host: "127.0.0.1:8500", origin: "https://n1.example.org", "sec-fetch-site": "cross-site" },
  ],
  ["an address typed into a browser", { host: "127.0.0.1:8500", "sec-fetch-site": "none" }],
])("%s is served", async (_, headers) => {
  expect(await statusOf(headers)).toBe(200);
});

test.each([
  ["a name that was rebound", { host: "evil.example:8500" }],
  ["a name that begins as an address", { host: "127.0.0.1.evil.example" }],
  ["a name that ends as one of ours", { host: "notlocalhost" }],
  ["nonsense", { host: "[::1" }],
  ["a page of another site", { host: "127.0.0.1:8500", origin: "https://evil.example" }],
  ["a page at an address elsewhere", { host: "127.0.0.1:8500", origin: "http://192.0.2.66" }],
  ["a page without a site", { host: "127.0.0.1:8500", origin: "null" }],
  ["a picture on another site's page", { host: "127.0.0.1:8500", "sec-fetch-site": "cross-site" }],
])("%s is refused", async (_, headers) => {
  expect(await statusOf(headers)).toBe(403);
});

import { expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import type { PublishedPort } from "../desired.ts";
import type { AttachedEndpoint } from "../endpoint/index.ts";
import { rowText } from "../row/row.ts";
import { loopback6, loopbackRoutes } from "./loopback-routes.ts";

const six = parseIp("fd00::5");
const port = { protocol: "tcp", hostPort: 80, ip: six, port: 8080 } as const;

function endpoint(hostIfname: string, ...addresses: readonly string[]): AttachedEndpoint {
  return { hostIfname, addresses: addresses.map(parseIp) } as unknown as AttachedEndpoint;
}

const routes = (published: readonly PublishedPort[], ...endpoints: readonly AttachedEndpoint[]) =>
  loopbackRoutes(published, endpoints).map(rowText);

test("only links whose container is published at ::1 get a route to it", () => {
  const web = endpoint("hd00000000aaaa", "10.1.0.5", "fd00::5");
  const other = endpoint("hd00000001aaaa", "10.1.0.6", "fd00::6");
  const wanted = ["route local ::1/128 dev hd00000000aaaa proto 72 scope global metric 1073741824"];
  expect(routes([port], web, other)).toEqual(wanted);
  expect(routes([{ ...port, hostIp: loopback6 }], web, other)).toEqual(wanted);
  expect(routes([{ ...port, hostIp: parseIp("fd77::1") }], web, other)).toEqual([]);
  expect(routes([{ ...port, ip: parseIp("10.1.0.5") }], web, other)).toEqual([]);
});

test("no two of them have one metric, whose hashes may be the same, in whatever order they come", () => {
  const [a, b] = [endpoint("hd0000000aaaaa", "fd00::5"), endpoint("hd0000000bbbbb", "fd00::5")];
  const wanted = ["hd0000000aaaaa", "hd0000000bbbbb"].map((link, i) => {
    return `route local ::1/128 dev ${link} proto 72 scope global metric ${1_073_741_824 + i}`;
  });
  expect(routes([port], a, b)).toEqual(wanted);
  expect(routes([port], b, a)).toEqual(wanted);
});

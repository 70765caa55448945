/**
 * The resolvers of C libraries and of tools, with nothing but a /etc/resolv.conf: glibc, as in Debian's containers,
 * and musl, as in Alpine's, both built from the same lines; dig, and kdig with what a careful resolver sends.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Finished, run, tryRun } from "../lab/command.ts";
import { OneNode } from "./one-node.ts";

const many = 60;
let node: OneNode;

beforeAll(async () => {
  node = await OneNode.start("--dns", "127.0.0.1:53");
  const source = join(import.meta.dirname, "getaddrinfo.c");
  for (const [library, compiler] of [
    ["glibc", "gcc"],
    ["musl", "musl-gcc"],
  ] as const)
    run([compiler, "-O1", "-o", node.path(library), source]);
  for (const [ID, Address] of [
    ["both-4", "10.1.0.1"],
    ["both-6", "fd01::1"],
  ])
    await node.register({ ID, Name: "both", Address, Port: 80 });
  await node.register({ ID: "four", Name: "four", Address: "10.1.0.4", Port: 80, Tags: ["blue"] });
  await node.register({ ID: "six", Name: "six", Address: "fd01::6", Port: 80 });
  for (let i = 1; i <= many; i++)
    await node.register({ ID: `many-${i}`, Name: "many", Address: `10.2.0.${i}`, Port: 80 });
});
afterAll(() => node?.dispose());

describe.each([["glibc"], ["musl"]])("getaddrinfo of %s", (library) => {
  function resolve(name: string, options = "", more = ""): Finished {
    const resolvConf = `nameserver 127.0.0.1\nsearch service.consul node.consul\noptions ${options}\n${more}`;
    return tryRun(node.withResolvConf(resolvConf, [node.path(library), name]));
  }
  const addresses = (name: string, options?: string) =>
    resolve(name, options).stdout.trim().split("\n").toSorted();

  it.each([
    ["ndots:1"],
    ["ndots:5"],
    ["edns0"],
    ["single-request"],
    ["use-vc"],
    ["rotate timeout:1 attempts:1"],
  ])("finds A and AAAA, which it asks side by side (%s)", (options) => {
    expect(addresses("both.service.consul", options)).toEqual(["10.1.0.1", "fd01::1"]);
    expect(addresses("four.service.consul", options)).toEqual(["10.1.0.4"]);
    expect(addresses("six.service.consul", options)).toEqual(["fd01::6"]);
  });

  it("adds search domains: a name that is not in the first is found in the second", () => {
    expect(addresses("both")).toEqual(["10.1.0.1", "fd01::1"]);
    expect(addresses("blue.four", "ndots:2")).toEqual(["10.1.0.4"]);
    expect(addresses("n1")).toHaveLength(1);
  });

  it("says that a name is not there", () => {
    const { status, stderr } = resolve("missing.service.consul");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/not known|does not resolve/i)]);
  });

  it("takes names in any case, and one with a dot at its end", () => {
    expect(addresses("FoUr.SeRvIcE.cOnSuL")).toEqual(["10.1.0.4"]);
    expect(addresses("four.service.consul.")).toEqual(["10.1.0.4"]);
  });

  it("has an answer of a service that fits into no datagram", () => {
    const found = addresses("many");
    // musl before 1.2.4 does not ask again over TCP: it takes what came.
    if (library === "glibc") expect(found).toHaveLength(many);
    else expect(found.length).toBeGreaterThan(10);
  });
});

describe("getent", () => {
  it("ahosts", () => {
    const command = node.withResolvConf("nameserver 127.0.0.1\nsearch service.consul\n", [
      "getent",
      "ahosts",
      "both",
    ]);
    expect(run(command)).toMatch(/^10\.1\.0\.1\s+STREAM/m);
  });
});

describe("kdig", () => {
  const ask = (...options: readonly string[]) =>
    run(["kdig", "@127.0.0.1", "four.service.consul", ...options]);

  it.each([
    ["+notcp"],
    ["+tcp"],
    ["+tcp +keepopen"],
    ["+tcp +cookie"],
    ["+cookie=0123456789abcdef"],
    ["+bufsize=512"],
    ["+bufsize=1232 +dnssec"],
    ["+bufsize=65535"],
    ["+nsid"],
    ["+padding=128"],
    ["+ednsopt=65001:00ff"],
    ["+subnet=192.0.2.0/24"],
    ["+noedns"],
    ["+norec"],
    ["+cdflag +adflag"],
  ])("%s", (options) => {
    const answer = ask(...options.split(" "));
    expect(answer).toMatch(/status: NOERROR/);
    expect(answer).toMatch(/10\.1\.0\.4/);
    const sendsEdns = /cookie|bufsize|nsid|padding|ednsopt|subnet/.test(options);
    expect(answer.includes("EDNS PSEUDOSECTION")).toBe(sendsEdns);
  });

  it("a later version of EDNS is BADVERS", () => {
    expect(ask("+edns=1")).toMatch(/status: (BADVERS|BADVERSION)/);
  });
});

describe("dig", () => {
  const ask = (...options: readonly string[]) =>
    run(["dig", "@127.0.0.1", "+tries=1", "+time=2", ...options]);

  it("of bind sends a cookie by itself, and is answered", () => {
    expect(ask("four.service.consul")).toMatch(/status: NOERROR[\s\S]*10\.1\.0\.4/);
    expect(ask("four.service.consul", "+cookie=0123456789abcdef", "+tcp")).toMatch(/10\.1\.0\.4/);
  });

  it("keeps one connection for several questions", () => {
    const answer = ask("+tcp", "+keepopen", "four.service.consul", "six.service.consul", "AAAA");
    expect(answer).toMatch(/10\.1\.0\.4[\s\S]*fd01::6/);
  });

  it("ANY, TXT and a class that is not there are answered without an error of the server", () => {
    for (const type of ["ANY", "TXT", "SVCB", "TYPE65280"])
      expect(ask("four.service.consul", type)).toMatch(/status: NOERROR/);
    expect(ask("four.service.consul", "-c", "CH")).toMatch(/status: (REFUSED|NOTIMP)/);
  });
});

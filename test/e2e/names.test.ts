/** Names, asked as the world asks them: dig, on both hosts, from inside of a container and from outside of the fabric. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient } from "../../api/index.ts";
import { Background, waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { type Member, Stage } from "../lab/stage.ts";

/** TTL of a node's lease, and what may pass from its end until no name means the node. */
const [leaseTtlMs, removalMs] = [10_000, 3000];
const router = "10.77.1.1";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;
let both: readonly Host[];
let [first, second]: [Member, Member] = [] as never;
let upstream: Background;

beforeAll(async () => {
  const agent = ({ name, address }: Host) => [
    ...["--upstream", router],
    // Where a stranger can ask.
    ...(name === "open" ? ["--dns", `${address}:8600`] : []),
  ];
  stage = await Stage.open({ hosts: { h1: 1, h2: 2, open: 1 }, agent });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
  both = [h1, h2];
  upstream = new Background([
    ...["nsenter", `--net=${stage.lab.path("core")}`, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts"],
    ...[
      "--user=root",
      "--bind-interfaces",
      `--listen-address=${router}`,
      "--address=/example.test/198.51.100.7",
    ],
  ]);
  [first, second] = [await stage.attach(h1), await stage.attach(h2)];
  for (const [{ host, ipv4 }, tags] of [
    [first, ["blue"]],
    [second, ["green"]],
  ] as const)
    await stage.registered(host, {
      ID: `web-${host.name}`,
      Name: "web",
      Address: ipv4,
      Port: 8080,
      Tags: tags,
    });
  await stage.resolves("web.service.consul", [first.ipv4, second.ipv4], both);
});
afterAll(async () => {
  await upstream?.stop();
  await stage?.dispose();
});

describe("on both hosts", () => {
  it.each([["+notcp"], ["+tcp"]])("web.service.consul has both instances (%s)", (transport) => {
    for (const host of both)
      expect(stage.dig(host, "web.service.consul", transport)).toEqual([first.ipv4, second.ipv4].toSorted());
  });

  it.each([["blue.web.service.consul"], ["web.service.dc1.consul"], ["_web._blue.service.consul"]])(
    "%s",
    (name) => {
      const type = name.startsWith("_") ? "SRV" : "A";
      for (const host of both) {
        const answers = stage.dig(host, name, type);
        if (name === "web.service.dc1.consul") expect(answers).toHaveLength(2);
        else expect(answers).toHaveLength(1);
      }
    },
  );

  it("SRV names port and target, and the target's address is in the additional section", () => {
    for (const host of both) {
      const { stdout } = stage.digWhole(host, "SRV", "_web._tcp.service.consul");
      const targets = [...stdout.matchAll(/IN\s+SRV\s+\d+ \d+ 8080 (\S+)/g)].map((match) => match[1] ?? "");
      expect(targets).toHaveLength(2);
      const [, additional = ""] = stdout.split(";; ADDITIONAL SECTION:");
      for (const target of targets)
        expect(additional).toMatch(
          new RegExp(`^${target.replaceAll(".", "\\.")}\\s+\\d+\\s+IN\\s+A\\s`, "m"),
        );
      expect(stage.dig(host, targets[0] ?? "")).toHaveLength(1);
    }
  });

  it("nodes have names, and addresses lead back to names", () => {
    for (const host of both) {
      expect(stage.dig(host, "h2.node.consul")).toEqual([h2.address]);
      expect(stage.dig(host, "-x", h1.address)).toEqual(["h1.node.dc1.consul."]);
      expect(stage.dig(host, "-x", first.ipv4)).toEqual(["web.service.dc1.consul."]);
    }
  });

  it("a name that is not there is NXDOMAIN with SOA; a type that is not there is an empty answer with SOA", () => {
    for (const host of both) {
      const missing = stage.digWhole(host, "nothing.service.consul").stdout;
      expect(missing).toContain("status: NXDOMAIN");
      expect(missing).toMatch(/^consul\.\s+\d+\s+IN\s+SOA\s/m);
      const empty = stage.digWhole(host, "web.service.consul", "MX").stdout;
      expect(empty).toContain("status: NOERROR");
      expect(empty).toMatch(/^consul\.\s+\d+\s+IN\s+SOA\s/m);
    }
  });

  it("the case of the question is kept", () => {
    const { stdout } = stage.digWhole(h2, "WeB.sErViCe.CoNsUl");
    expect(stdout.match(/^WeB\.sErViCe\.CoNsUl\.\s/gm)).toHaveLength(2);
  });
});

describe("many instances", () => {
  const count = 60;

  it("fill 512 bytes and set TC without EDNS, more with EDNS, and come whole over TCP", async () => {
    for (let i = 0; i < count; i++)
      await stage.registered(h1, { ID: `many-${i}`, Name: "many", Address: `10.99.0.${i + 1}`, Port: 80 });
    const answered = (...options: readonly string[]) =>
      stage.digWhole(h2, "many.service.consul", ...options).stdout;
    const countOf = (text: string) => [...text.matchAll(/IN\s+A\s+10\.99\./g)].length;
    await waitFor("all instances over TCP", () => countOf(answered("+tcp")) === count || undefined);

    const small = answered("+noedns", "+ignore", "+notcp");
    expect(small).toMatch(/;; flags:[^;]* tc[ ;]/);
    expect(Number(/MSG SIZE\s+rcvd: (\d+)/.exec(small)?.[1])).toBeLessThanOrEqual(512);
    expect(countOf(small)).toBeLessThan(count);
    const large = answered("+bufsize=4096", "+ignore", "+notcp");
    expect(large).toContain("udp: ");
    expect(countOf(large)).toBeGreaterThan(countOf(small));
    expect(countOf(answered("+noedns"))).toBe(count);
  });
});

describe("other names", () => {
  it("are forwarded for this host and for containers, and refused to strangers", () => {
    expect(stage.dig(h1, "www.example.test")).toEqual(["198.51.100.7"]);
    const inside = first.container.run(["dig", "+short", "@169.254.1.1", "www.example.test"]);
    expect(inside.trim()).toBe("198.51.100.7");
    const stranger = stage.lab.addHost("out", 2);
    const ask = (name: string) =>
      stranger.run(["dig", "+tries=1", "+time=2", `@${stage.host("open").address}`, "-p", "8600", name]);
    expect(ask("www.example.test")).toContain("status: REFUSED");
    expect(ask("web.service.consul")).toContain(first.ipv4);
  });
});

describe("inside of a container", () => {
  it.each([["+notcp"], ["+tcp"]])("169.254.1.1 answers (%s)", (transport) => {
    for (const { container } of [first, second]) {
      const ask = ["dig", "+short", "+tries=1", "+time=2", transport, "@169.254.1.1", "web.service.consul"];
      expect(container.run(ask).trim().split("\n").toSorted()).toEqual([first.ipv4, second.ipv4].toSorted());
    }
  });
});

describe("a TTL check", () => {
  it("decides by pass and fail whether the instance is in DNS, and expires by itself", async () => {
    const check = { TTL: "1500ms" };
    await stage.registered(h1, { ID: "beat", Name: "beat", Address: "10.99.1.1", Port: 80, Check: check });
    expect(stage.dig(h2, "beat.service.consul")).toEqual([]);
    const report = async (verb: string) =>
      expect((await stage.http(h1, "PUT", `/v1/agent/check/${verb}/service:beat`)).status).toBe(200);
    await report("pass");
    await stage.resolves("beat.service.consul", ["10.99.1.1"], both);
    await report("fail");
    await stage.resolves("beat.service.consul", [], both);
    await report("pass");
    await stage.resolves("beat.service.consul", ["10.99.1.1"], both);
    await stage.resolves("beat.service.consul", [], both);
  });
});

describe("a registration", () => {
  const rounds = 20;

  it("on one host is an answer on the other at once", async () => {
    const command = [
      `--net=${h2.netns}`,
      process.execPath,
      join(import.meta.dirname, "../lab/name-watch.ts"),
    ];
    const watcher = spawn("nsenter", command, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(watcher.stdout)[Symbol.asyncIterator]();
    const api = new ApiClient({ kind: "unix", path: join(h1.runDir, "api.sock") });
    const tookMs: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const address = `10.99.2.${i + 1}`;
      watcher.stdin.write(`fresh-${i}.service.consul ${address}\n`);
      await lines.next();
      const service = { ID: `fresh-${i}`, Name: `fresh-${i}`, Address: address, Port: 80 };
      const startMs = performance.timeOrigin + performance.now();
      await api.send("PUT", "/v1/agent/service/register", JSON.stringify(service));
      tookMs.push(Number((await lines.next()).value) - startMs);
    }
    watcher.stdin.end();
    await once(watcher, "close");
    const [worst, median] = [Math.max(...tookMs), tookMs.toSorted((a, b) => a - b)[rounds / 2] ?? Number.NaN];
    console.info(
      `register on h1 → answer on h2: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms of ${rounds}`,
    );
    expect(median).toBeLessThan(100);
  });
});

describe("a node that dies", () => {
  it(`is in no answer of another host ${leaseTtlMs + removalMs} ms later`, async () => {
    await stage.fabric.agent(h2).killHard();
    const startMs = performance.now();
    await stage.resolves("web.service.consul", [first.ipv4], [h1], 30_000);
    const tookMs = Math.round(performance.now() - startMs);
    console.info(`the dead node's instance left DNS after ${tookMs} ms`);
    expect(tookMs).toBeLessThan(leaseTtlMs + removalMs);
    const { body } = await stage.http(h1, "GET", "/v1/health/node/h2");
    const checks = JSON.parse(body) as { CheckID: string; Status: string }[];
    expect(checks.find(({ CheckID }) => CheckID === "serfHealth")?.Status).toBe("critical");
    expect(stage.dig(h1, "h2.node.consul")).toEqual([]);

    await stage.startAgent(h2);
    await stage.resolves("web.service.consul", [first.ipv4, second.ipv4], both);
  });
});

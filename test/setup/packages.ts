/**
 * Debian packages by purpose, and how they get onto a machine: only what is missing, without starting any
 * service that a package brings (policy-rc.d, as in Debian's own build machines).
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

export type Purpose = "run" | "test" | "bench";

const packages: Readonly<Record<Purpose, readonly string[]>> = {
  /** What the product itself calls, nft, and what README.md tries it with. */
  run: ["nftables", "curl", "bind9-dnsutils"],
  /** What the tests and the demo look with, and the peers they talk to. */
  test: [
    "nftables",
    "iproute2",
    "iputils-ping",
    "tcpdump",
    "busybox-static",
    "bind9-dnsutils",
    "knot-dnsutils",
    "containernetworking-plugins",
    "curl",
    "docker.io",
    "docker-compose",
    "haproxy",
    "iptables",
    "dnsmasq-base",
    "procps",
    "openssl",
    "qemu-user-static",
    "etcd-server",
    "etcd-client",
    "nginx-light",
    "prometheus",
    "gcc",
    "libc6-dev",
    "musl-tools",
  ],
  /** What the benchmarks measure beside. */
  bench: [
    "containernetworking-plugins",
    "busybox-static",
    "docker.io",
    "iptables",
    "iproute2",
    "nftables",
    "knot",
    "unbound",
    "dnsmasq-base",
    "dnsperf",
    "etcd-server",
    "iptables",
  ],
};

/** Installs what is missing. Needs root and Debian's package sources only when something is. */
export function installFor(purpose: Purpose): void {
  const missing = packages[purpose].filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new Error(`install ${missing.join(" ")}: needs root; run this as root, or install them yourself`);
  process.stderr.write(`installing Debian packages: ${missing.join(" ")}\n`);
  withoutServices(() => {
    apt(["update", "-qq"]);
    apt(["install", "-y", "-qq", "--no-install-recommends", ...missing]);
  });
}

/** dpkg's own notation, not a template of ours. */
const statusFormat = ["--showformat=$", "{db:Status-Status}"].join("");

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync("dpkg-query", ["--show", statusFormat, name], {
    encoding: "utf8",
  });
  return stdout === "installed";
}

function apt(args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const result = spawnSync("apt-get", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (result.status !== 0)
    throw new Error(`apt-get ${args.join(" ")}: ${result.error?.message ?? result.stderr}`);
}

function withoutServices(act: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    act();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

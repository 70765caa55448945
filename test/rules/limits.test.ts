/** Every bound has a name, a default and a row in docs/operations.md: the code and the page say the same, both ways. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  clientTimeoutMs,
  defaultHttpLimits,
  filterCharsMax,
  filterDepthMax,
  heartbeatMs,
  needsMax,
  snapshotBytesMax,
  streamsMax,
  txnBytesMax,
  waitDefaultMs,
  waitMaxMs,
} from "../../api/index.ts";
import {
  controlClientLimits,
  controlServerLimits,
  tlsListenerLimits,
  trustLimits,
} from "../../control/index.ts";
import {
  agentTokensMax,
  aliasNodesMax,
  httpsRefreshMs,
  tokenTtlMs,
  viewCatalogLimits,
} from "../../daemon/index.ts";
import { dnsLimitDefaults } from "../../dns/index.ts";
import { healthLimits, probeTimeoutMs, scriptTimeoutMs } from "../../health/index.ts";
import { ipamLimits } from "../../ipam/index.ts";
import { kernelLimits } from "../../kernel/index.ts";
import {
  attachmentsMaxDefault,
  linkReaperDefaults,
  paceDefaults,
  reconcilerDefaults,
} from "../../overlay/index.ts";
import {
  cniServerLimits,
  collectorLimits,
  dockerJournalLimits,
  dockerPluginLimits,
  endpointLimits,
  engineLimits,
  pluginServerLimits,
  registrarLimits,
} from "../../plugins/index.ts";
import { defaultAgentLimits, registryLimits } from "../../registry/index.ts";
import { consulLimits, defaultStoreLimits, etcdLimits } from "../../store/index.ts";
import { projectRoot } from "./source-files.ts";

/** By heading of the page. */
const limits: Readonly<Record<string, object>> = {
  api: {
    ...defaultHttpLimits,
    waitDefaultMs,
    waitMaxMs,
    txnBytesMax,
    streamsMax,
    heartbeatMs,
    snapshotBytesMax,
    needsMax,
    filterCharsMax,
    filterDepthMax,
    clientTimeoutMs,
  },
  "control: server": controlServerLimits,
  "control: agent": controlClientLimits,
  "control: trust": { ...trustLimits, ...tlsListenerLimits },
  daemon: { ...viewCatalogLimits, aliasNodesMax, agentTokensMax, httpsRefreshMs, tokenTtlMs },
  dns: dnsLimitDefaults,
  health: { ...healthLimits, probeTimeoutMs, scriptTimeoutMs },
  ipam: ipamLimits,
  kernel: kernelLimits,
  overlay: {
    ...reconcilerDefaults,
    ...paceDefaults,
    ...linkReaperDefaults,
    attachmentsMax: attachmentsMaxDefault,
  },
  "plugins: CNI": cniServerLimits,
  "plugins: Docker": {
    ...dockerPluginLimits,
    ...dockerJournalLimits,
    ...pluginServerLimits,
    ...collectorLimits,
  },
  "plugins: endpoints": endpointLimits,
  "plugins: engine": engineLimits,
  "plugins: registrar": registrarLimits,
  "registry: agent": defaultAgentLimits,
  "registry: server": registryLimits,
  store: defaultStoreLimits,
  "store: consul": consulLimits,
  "store: etcd": etcdLimits,
};

type Scale = readonly (readonly [unit: string, size: number])[];

const scales: readonly (readonly [name: RegExp, scale: Scale])[] = [
  [
    /Ms$/,
    [
      ["d", 86_400_000],
      ["h", 3_600_000],
      ["min", 60_000],
      ["s", 1000],
      ["ms", 1],
    ],
  ],
  [
    /Seconds(Max)?$/,
    [
      ["d", 86_400],
      ["h", 3600],
      ["min", 60],
      ["s", 1],
    ],
  ],
  [
    /Bytes(Max)?$/,
    [
      ["GiB", 2 ** 30],
      ["MiB", 2 ** 20],
      ["KiB", 2 ** 10],
      ["bytes", 1],
    ],
  ],
];

/** In the largest unit that needs no fraction, as the page has it. */
function shown(name: string, value: number): string {
  const scale = scales.find(([pattern]) => pattern.test(name))?.[1] ?? [["", 1]];
  const [unit, size] = scale.find(([, each]) => value % each === 0) ?? ["", 1];
  return `${(value / size).toLocaleString("en")} ${unit}`.trim();
}

function rowsOf(page: string, heading: string): readonly string[] {
  const [, section = ""] = page.split(`\n### ${heading}\n`);
  const [table = ""] = section.split(/\n##/);
  return [...table.matchAll(/^\| `(\w+)` +\| ([^|]+?) +\| \S/gm)].map(
    ([, name, value]) => `${name} ${value}`,
  );
}

describe("limits", () => {
  const page = readFileSync(join(projectRoot, "docs/operations.md"), "utf8");

  it.each(Object.keys(limits))("of `%s` stand in docs/operations.md with their defaults", (heading) => {
    const names = Object.entries(limits[heading] ?? {});
    const inCode = names.map(([name, value]) => `${name} ${shown(name, value)}`);
    expect(rowsOf(page, heading).toSorted()).toEqual(inCode.toSorted());
  });

  it("of no other part stand there", () => {
    const [, section = ""] = page.split("\n## Limits\n");
    const headings = [...section.matchAll(/^### (.+)$/gm)].map((match) => match[1] ?? "");
    expect(headings).toEqual(Object.keys(limits));
  });

  it("are shown in the largest whole unit", () => {
    expect(shown("waitMs", 90_000)).toBe("90 s");
    expect(shown("ttlSecondsMax", 86_400)).toBe("1 d");
    expect(shown("bodyBytesMax", 3 * 2 ** 20)).toBe("3 MiB");
    expect(shown("connectionsMax", 20_000)).toBe("20,000");
  });
});

/**
 * The network configuration on standard input, checked in the order in which the errors make sense: is it
 * JSON (6), is its version ours (1), does it hold what it must (7), does it ask for what Heddle has (2, 7).
 * Keys that belong to others pass untouched. Source: SPEC.md sections 1 and 3.
 */
import * as z from "zod";
import { type Ip, type Mac, macToBytes, parseIp, parseIpWithPrefix, parseMac } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { CniEnvironment } from "./environment.ts";
import { type CniVersion, cniVersions, isCniVersion } from "./version.ts";

export const pluginType = "heddle";

const dns = z.looseObject({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

const route = z.looseObject({ dst: z.string(), gw: z.string().optional() });

const configSchema = z.looseObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "must be letters, digits, dots, hyphens or underscores"),
  type: z.string().min(1),
  network: z.string().min(1).optional(),
  mtu: z.int().min(68).max(65_535).optional(),
  dns: dns.optional(),
  ipam: z
    .looseObject({
      type: z.string().optional(),
      network: z.string().min(1).optional(),
      routes: z.array(route).optional(),
    })
    .optional(),
  runtimeConfig: z
    .looseObject({ ips: z.array(z.string()).optional(), mac: z.string().optional() })
    .optional(),
  args: z.looseObject({ cni: z.looseObject({ ips: z.array(z.string()).optional() }).optional() }).optional(),
  prevResult: z.looseObject({}).nullish(),
  "cni.dev/valid-attachments": z
    .array(z.looseObject({ containerID: z.string(), ifname: z.string() }))
    .nullish(),
});

export type CniConfig = z.infer<typeof configSchema> & { readonly cniVersion: CniVersion };

/** Capabilities of other plugins: asked of Heddle they would be lost without a word. */
const refusedCapabilities = ["portMappings", "bandwidth", "ipRanges"] as const;

/**
 * All that DEL looks at: a container whose ADD was refused for its configuration must still go away with it.
 * @throws CNI_UNDECODABLE, CNI_VERSION_UNSUPPORTED
 */
export function parseVersion(stdin: Uint8Array): CniVersion {
  return versionIn(parseObject(stdin));
}

/** @throws CNI_UNDECODABLE, CNI_VERSION_UNSUPPORTED, CNI_CONFIG_INVALID, CNI_FIELD_UNSUPPORTED */
export function parseConfig(stdin: Uint8Array): CniConfig {
  const value = parseObject(stdin);
  const cniVersion = versionIn(value);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`);
    throw invalid(problems.join("; "));
  }
  const config = { ...parsed.data, cniVersion };
  refuseUnsupported(config);
  return config;
}

/** The version to answer in, whatever else is wrong with the configuration. */
export function versionOf(stdin: Uint8Array): CniVersion | undefined {
  try {
    const version = parseObject(stdin)["cniVersion"];
    return typeof version === "string" && isCniVersion(version) ? version : undefined;
  } catch {
    return undefined;
  }
}

/** True when another plugin makes the interface and asks Heddle for addresses only. */
export function isDelegated(config: CniConfig): boolean {
  return config.type !== pluginType;
}

/** Addresses asked for by name. In rising precedence: CNI_ARGS, `args.cni.ips`, capability `ips`. @throws CNI_CONFIG_INVALID */
export function wantedAddresses(config: CniConfig, environment: CniEnvironment): readonly Ip[] {
  const fromArgs = environment.args.get("IP");
  const texts =
    config.runtimeConfig?.ips ?? config.args?.cni?.ips ?? (fromArgs === undefined ? [] : fromArgs.split(","));
  return texts.map((text) =>
    parsed(`address ${JSON.stringify(text)}`, () =>
      text.includes("/") ? parseIpWithPrefix(text).ip : parseIp(text),
    ),
  );
}

/** The MAC asked for: capability `mac`, else CNI_ARGS. @throws CNI_CONFIG_INVALID also for a group address */
export function wantedMac(config: CniConfig, environment: CniEnvironment): Mac | undefined {
  const text = config.runtimeConfig?.mac || environment.args.get("MAC");
  if (!text) return undefined;
  const mac = parsed("the MAC", () => parseMac(text));
  if (((macToBytes(mac)[0] ?? 0) & 1) === 1)
    throw invalid(`MAC ${mac} is a group address; use a unicast one`);
  return mac;
}

function parseObject(stdin: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(stdin));
  } catch (cause) {
    const why = stdin.length === 0 ? "standard input is empty" : "standard input is not JSON";
    throw new FabricError("CNI_UNDECODABLE", `read the network configuration: ${why}`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new FabricError(
    "CNI_UNDECODABLE",
    "read the network configuration: standard input is not a JSON object",
  );
}

function versionIn(value: Readonly<Record<string, unknown>>): CniVersion {
  const version = value["cniVersion"] ?? "";
  if (typeof version !== "string" || !isCniVersion(version)) {
    throw new FabricError(
      "CNI_VERSION_UNSUPPORTED",
      `read the network configuration: cniVersion ${JSON.stringify(version)} is not supported; use one of ${cniVersions.join(", ")}`,
      { details: { supportedVersions: cniVersions } },
    );
  }
  return version;
}

function refuseUnsupported(config: CniConfig): void {
  const ipam = config.ipam?.type;
  if (isDelegated(config)) {
    if (ipam === pluginType) return;
    throw invalid(`neither type ${JSON.stringify(config.type)} nor ipam.type is "${pluginType}"`);
  }
  if (ipam !== undefined && ipam !== pluginType) {
    throw new FabricError(
      "CNI_FIELD_UNSUPPORTED",
      `read the network configuration: ipam.type ${JSON.stringify(ipam)} is not supported; Heddle gives addresses itself, leave it out`,
    );
  }
  for (const name of refusedCapabilities) {
    const asked = config.runtimeConfig?.[name];
    if (asked === undefined || asked === null || Object.keys(asked).length === 0) continue;
    throw invalid(
      `runtimeConfig.${name} is not supported yet: ${JSON.stringify(asked).slice(0, 200)}; give the capability to a chained plugin such as portmap or bandwidth`,
    );
  }
}

function parsed<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new FabricError(
      "CNI_CONFIG_INVALID",
      `read ${what} asked for: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

function invalid(why: string): FabricError {
  return new FabricError("CNI_CONFIG_INVALID", `read the network configuration: ${why}`);
}

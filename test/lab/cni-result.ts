/** What a CNI plugin may print, by the specification's section 5; strict, so that a slip fails a test. */
import * as z from "zod";
import { parseIp, parseIpWithPrefix, parseMac } from "../../addr/index.ts";

const parses = (parse: (text: string) => unknown) => (text: string) => {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
};

const ip = z.string().refine(parses(parseIp), "is an address");
const cidr = z.string().refine(parses(parseIpWithPrefix), "is an address with prefix");
const mac = z.string().refine(parses(parseMac), "is a MAC");

const dnsSchema = z.strictObject({
  nameservers: z.array(ip).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

const result = (interfaceMore: object, ipMore: object, routeMore: object) =>
  z.strictObject({
    cniVersion: z.string(),
    interfaces: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(15),
          mac: mac.optional(),
          sandbox: z.string().startsWith("/").optional(),
          ...interfaceMore,
        }),
      )
      .optional(),
    ips: z
      .array(
        z.strictObject({
          address: cidr,
          gateway: ip.optional(),
          interface: z.int().min(0).optional(),
          ...ipMore,
        }),
      )
      .optional(),
    routes: z.array(z.strictObject({ dst: cidr, gw: ip.optional(), ...routeMore })).optional(),
    dns: dnsSchema.optional(),
  });

const number = z.int().min(0).optional();
const schemas = {
  "0.4.0": result({}, { version: z.enum(["4", "6"]) }, {}),
  "1.0.0": result({}, {}, {}),
  "1.1.0": result(
    { mtu: number, socketPath: z.string().optional(), pciID: z.string().optional() },
    {},
    { mtu: number, advmss: number, priority: number, table: number, scope: number },
  ),
} as const;

export type CniResult = z.infer<(typeof schemas)["1.1.0"]>;

/** `cniVersion` is left out by the library of the reference plugins. */
const errorSchema = z.strictObject({
  cniVersion: z.string().optional(),
  code: z.int().min(1),
  msg: z.string().min(1),
  details: z.string().optional(),
});

/** @param rules `main`: of the plugin that makes the interface, which must name it */
export function checkResult(stdout: string, version: string, rules: { readonly main: boolean }): CniResult {
  const schema = schemas[version as keyof typeof schemas];
  if (!schema) throw new Error(`this runtime does not speak CNI ${version}`);
  const parsed = schema.parse(JSON.parse(stdout)) as CniResult;
  if (parsed.cniVersion !== version)
    throw new Error(`the result is of CNI ${parsed.cniVersion}, not ${version}`);
  const interfaces = parsed.interfaces?.length ?? 0;
  if (rules.main && !parsed.interfaces?.some(({ sandbox }) => sandbox)) {
    throw new Error("the result names no interface in a sandbox");
  }
  for (const each of parsed.ips ?? []) {
    if (each.interface !== undefined && each.interface >= interfaces) {
      throw new Error(`address ${each.address} is on interface ${each.interface} of ${interfaces}`);
    }
  }
  return parsed;
}

export function checkError(stdout: string, what: string): z.infer<typeof errorSchema> {
  try {
    return errorSchema.parse(JSON.parse(stdout));
  } catch (cause) {
    throw new Error(`${what}: what it printed is not a CNI error: ${stdout}`, { cause });
  }
}

export function checkVersions(stdout: string): readonly string[] {
  return z
    .object({ cniVersion: z.string(), supportedVersions: z.array(z.string()).min(1) })
    .parse(JSON.parse(stdout)).supportedVersions;
}

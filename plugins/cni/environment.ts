/**
 * The parameters of a call: the CNI_ variables, checked by the rules of SPEC.md section 2 ("Parameters"),
 * and the old way to ask for an address or MAC, CNI_ARGS with `IP=` and `MAC=`.
 */
import { FabricError } from "../../errors/index.ts";

export const cniCommands = ["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"] as const;

export type CniCommand = (typeof cniCommands)[number];

export interface CniEnvironment {
  readonly command: CniCommand;
  /** Empty for STATUS, GC and VERSION, as is `ifname`. */
  readonly containerId: string;
  readonly ifname: string;
  /** Empty for DEL of a container whose namespace is gone. */
  readonly netns: string;
  /** CNI_ARGS by key. */
  readonly args: ReadonlyMap<string, string>;
}

const containerIdGrammar = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;
const ifnameBytesMax = 15;

/** What each command must be told. */
const required: Readonly<Record<CniCommand, readonly ("CNI_CONTAINERID" | "CNI_NETNS" | "CNI_IFNAME")[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
  STATUS: [],
  GC: [],
  VERSION: [],
};

/** @throws CNI_ENVIRONMENT_INVALID naming the variable */
export function parseEnvironment(variables: ReadonlyMap<string, string>): CniEnvironment {
  const value = (name: string) => variables.get(name) ?? "";
  const command = cniCommands.find((each) => each === value("CNI_COMMAND"));
  if (!command) {
    throw invalid("CNI_COMMAND", value("CNI_COMMAND"), `use one of ${cniCommands.join(", ")}`);
  }
  const missing = required[command].filter((name) => value(name) === "");
  if (missing.length > 0) {
    throw new FabricError("CNI_ENVIRONMENT_INVALID", `run CNI ${command}: set ${missing.join(", ")}`, {
      details: { missing },
    });
  }
  const needs = required[command].length > 0;
  const containerId = needs ? value("CNI_CONTAINERID") : "";
  const ifname = needs ? value("CNI_IFNAME") : "";
  if (needs && !containerIdGrammar.test(containerId)) {
    throw invalid(
      "CNI_CONTAINERID",
      containerId,
      "use 1-255 letters, digits, dots, hyphens or underscores, beginning with a letter or digit",
    );
  }
  if (needs && !isInterfaceName(ifname)) {
    throw invalid(
      "CNI_IFNAME",
      ifname,
      `use a Linux interface name: 1-${ifnameBytesMax} bytes without "/", ":" or white space`,
    );
  }
  const netns = value("CNI_NETNS");
  if (netns !== "" && (!netns.startsWith("/") || netns.includes("\0"))) {
    throw invalid("CNI_NETNS", netns, "use an absolute path");
  }
  return { command, containerId, ifname, netns, args: parseArgs(value("CNI_ARGS")) };
}

/** `K=V;K=V`. Keys that Heddle does not know are the runtime's business and stay. */
function parseArgs(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(";").filter((pair) => pair !== "");
  return new Map(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at <= 0) throw invalid("CNI_ARGS", text, "write it as KEY=VALUE;KEY=VALUE");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function isInterfaceName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= ifnameBytesMax &&
    name !== "." &&
    name !== ".." &&
    /^[^/:\s\p{Cc}]+$/u.test(name)
  );
}

function invalid(name: string, value: string, rule: string): FabricError {
  return new FabricError(
    "CNI_ENVIRONMENT_INVALID",
    `read ${name}=${JSON.stringify(value.slice(0, 64))}: ${rule}`,
    { details: { variable: name } },
  );
}

/**
 * What `docker network create` says to Heddle: `-o` options, and the engine's own. A word that begins with
 * `heddle.` and is unknown is an error, as it would be lost silently; words of others pass.
 */
import * as z from "zod";
import { FabricError } from "../../../errors/index.ts";
import type { NetworkBackend, NetworkPolicy } from "../../../ipam/index.ts";

/** `-o` and `--ipam-opt`: the fabric network to join, made if there is none. */
export const networkOption = "heddle.network";
const genericKey = "com.docker.network.generic";

export interface NetworkOptions {
  readonly network?: string;
  readonly backend?: NetworkBackend;
  readonly masquerade?: boolean;
  readonly mtu?: number;
  /** `--internal` says `internal`. */
  readonly policy?: NetworkPolicy;
}

const size = z
  .string()
  .regex(/^\d{1,5}$/, "must be a number of bytes")
  .transform(Number);
const schema = z
  .looseObject({
    [networkOption]: z.string().min(1).max(63).optional(),
    "heddle.backend": z.enum(["auto", "direct", "vxlan"]).optional(),
    "heddle.masquerade": z.enum(["true", "false"]).optional(),
    "heddle.policy": z.enum(["isolated", "open", "internal"]).optional(),
    "com.docker.network.driver.mtu": size.optional(),
  })
  .check((context) => {
    for (const key of Object.keys(context.value)) {
      if (key.startsWith("heddle.") && !known.has(key)) {
        context.issues.push({
          code: "custom",
          input: key,
          path: [key],
          message: `is not an option; there are ${[...known].join(", ")}`,
        });
      }
    }
  });
const known: ReadonlySet<string> = new Set([
  networkOption,
  "heddle.backend",
  "heddle.masquerade",
  "heddle.policy",
]);

/** @throws DOCKER_OPTION_INVALID */
export function networkOptions(options: Readonly<Record<string, unknown>>): NetworkOptions {
  const parsed = schema.safeParse(options[genericKey] ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new FabricError("DOCKER_OPTION_INVALID", `create the Docker network: ${problems.join("; ")}`);
  }
  const given = parsed.data;
  const network = given[networkOption];
  const masquerade = given["heddle.masquerade"];
  const mtu = given["com.docker.network.driver.mtu"];
  const policy = policyOf(given["heddle.policy"], options["com.docker.network.internal"] === true);
  return {
    ...(network !== undefined && { network }),
    ...(given["heddle.backend"] && { backend: given["heddle.backend"] }),
    ...(masquerade && { masquerade: masquerade === "true" }),
    ...(mtu !== undefined && { mtu }),
    ...(policy && { policy }),
  };
}

function policyOf(named: NetworkPolicy | undefined, isInternal: boolean): NetworkPolicy | undefined {
  if (!isInternal || named === undefined || named === "internal") return isInternal ? "internal" : named;
  throw new FabricError(
    "DOCKER_OPTION_INVALID",
    `create the Docker network: --internal and heddle.policy=${named} exclude each other; leave one out`,
  );
}

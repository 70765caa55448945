/**
 * What the engine itself believes, asked outside of every handler: its networks of our drivers and the endpoints
 * in them. Docker Engine API over its unix socket; answers are bounded in size and time.
 */
import { request } from "node:http";
import { z } from "zod";
import { type Ip, parseIpWithPrefix } from "../../../addr/index.ts";
import { FabricError } from "../../../errors/index.ts";

export interface EngineNetwork {
  readonly id: string;
  readonly driver: string;
  readonly ipamDriver: string;
  readonly endpoints: readonly string[];
  /** Of containers, and those set aside by `--aux-address` and `--gateway`. */
  readonly addresses: readonly Ip[];
}

export interface DockerEngine {
  /** Networks whose driver or IPAM driver has the name. @throws DOCKER_ENGINE_UNREACHABLE */
  networks(driver: string): Promise<readonly EngineNetwork[]>;
}

const answerBytesMax = 16 * 1024 * 1024;
const timeoutMs = 5000;
const networksMax = 1024;

const listed = z.array(z.looseObject({ Id: z.string() })).max(networksMax);
const inspected = z.looseObject({
  Id: z.string(),
  Driver: z.string(),
  IPAM: z.looseObject({
    Driver: z.string(),
    Config: z
      .array(
        z.looseObject({
          Gateway: z.string().nullish(),
          AuxiliaryAddresses: z.record(z.string(), z.string()).nullish(),
        }),
      )
      .nullish(),
  }),
  Containers: z
    .record(
      z.string(),
      z.looseObject({
        EndpointID: z.string(),
        IPv4Address: z.string().nullish(),
        IPv6Address: z.string().nullish(),
      }),
    )
    .nullish(),
});

export function openEngine(socketPath: string): DockerEngine {
  return {
    async networks(driver) {
      const all = read(socketPath, listed, await get(socketPath, "/networks"));
      const found: EngineNetwork[] = [];
      for (const { Id } of all) {
        const body = await get(socketPath, `/networks/${Id}`);
        if (body === undefined) continue;
        const { Driver, IPAM, Containers } = read(socketPath, inspected, body);
        if (Driver !== driver && IPAM.Driver !== driver) continue;
        const members = Object.values(Containers ?? {});
        const aside = (IPAM.Config ?? []).flatMap(({ Gateway, AuxiliaryAddresses }) => [
          Gateway ?? "",
          ...Object.values(AuxiliaryAddresses ?? {}),
        ]);
        const own = members.flatMap(({ IPv4Address, IPv6Address }) => [IPv4Address ?? "", IPv6Address ?? ""]);
        found.push({
          id: Id,
          driver: Driver,
          ipamDriver: IPAM.Driver,
          endpoints: members.map(({ EndpointID }) => EndpointID),
          addresses: [...aside, ...own].filter((text) => text !== "").map(addressIn),
        });
      }
      return found;
    },
  };
}

/** With or without prefix length, with or without bits beyond it. */
function addressIn(text: string): Ip {
  return parseIpWithPrefix(text.includes("/") ? text : `${text}/0`).ip;
}

function read<T>(socketPath: string, schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw unreachable(socketPath, `its answer cannot be read: ${z.prettifyError(parsed.error)}`);
}

/** Undefined for 404. */
function get(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown) => reject(unreachable(socketPath, why, cause));
    const call = request(
      { socketPath, path, headers: { host: "docker" }, timeout: timeoutMs },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > answerBytesMax)
            call.destroy(new Error(`the answer is larger than ${answerBytesMax} bytes`));
          else chunks.push(chunk);
        });
        response.on("error", (error) => fail(error.message, error));
        response.on("end", () => {
          if (response.statusCode === 404) return resolve(undefined);
          if (response.statusCode !== 200) return fail(`GET ${path} answered ${response.statusCode}`);
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()));
          } catch (error) {
            fail(`GET ${path} answered no JSON`, error);
          }
        });
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on("error", (error) => fail(error.message, error));
    call.end();
  });
}

function unreachable(socketPath: string, why: string, cause?: unknown): FabricError {
  return new FabricError("DOCKER_ENGINE_UNREACHABLE", `ask the engine at ${socketPath}: ${why}`, { cause });
}

/** A network as the engine believes it to be: who is in it, and which addresses it has set aside. */
import * as z from "zod";
import { type Ip, isIp, parseIp } from "../../../addr/index.ts";

export interface EngineNetwork {
  readonly id: string;
  readonly driver: string;
  readonly ipamDriver: string;
  readonly endpoints: readonly string[];
  /** Of containers, and those set aside by `--aux-address` and `--gateway`. */
  readonly addresses: readonly Ip[];
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const networkSchema = z.object({
  Id: z.string().min(1),
  Driver: z.string(),
  IPAM: z.object({
    Driver: z.string(),
    Config: z
      .array(z.object({ Gateway: text, AuxiliaryAddresses: z.record(z.string(), z.string()).nullish() }))
      .nullish(),
  }),
  Containers: z
    .record(z.string(), z.object({ EndpointID: z.string(), IPv4Address: text, IPv6Address: text }))
    .nullish(),
});

/** An inspection, or an entry of the list, which has no endpoints. Undefined for what is no network. */
export function parseNetwork(inspection: unknown): EngineNetwork | undefined {
  const parsed = networkSchema.safeParse(inspection);
  if (!parsed.success) return undefined;
  const { Id: id, Driver: driver, IPAM, Containers } = parsed.data;
  const members = Object.values(Containers ?? {});
  const aside = (IPAM.Config ?? []).flatMap(({ Gateway, AuxiliaryAddresses }) => [
    Gateway,
    ...Object.values(AuxiliaryAddresses ?? {}),
  ]);
  const own = members.flatMap(({ IPv4Address, IPv6Address }) => [IPv4Address, IPv6Address]);
  return {
    id,
    driver,
    ipamDriver: IPAM.Driver,
    endpoints: members.map(({ EndpointID }) => EndpointID),
    addresses: [...aside, ...own].map(withoutPrefix).filter(isIp).map(parseIp),
  };
}

function withoutPrefix(address: string): string {
  return address.split("/")[0] ?? "";
}

/**
 * The calls of libnetwork's remote drivers, as an engine sends them. Unknown members pass: engines add some. Null
 * stands where Go has an empty list or map.
 *
 * Source: moby, daemon/libnetwork/drivers/remote/api and ipams/remote/api (seen with 20.10 to 28).
 */
import * as z from "zod";

const textMax = 4096;
const id = z.string().min(1).max(256);
const text = z
  .string()
  .max(textMax)
  .nullish()
  .transform((value) => value ?? "");
const textMap = z
  .record(z.string(), z.string().max(textMax))
  .nullish()
  .transform((value) => value ?? {});
/** Values are of any type: the engine puts its own options beside the user's. */
const options = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? {});

const ipamData = z.looseObject({
  AddressSpace: text,
  Pool: text,
  Gateway: text,
  AuxAddresses: textMap,
});
const ipamList = z
  .array(ipamData)
  .max(64)
  .nullish()
  .transform((value) => value ?? []);

const empty = z.looseObject({});
const endpointRef = { NetworkID: id, EndpointID: id };

export const networkCalls = {
  GetCapabilities: empty,
  GwAllocCheck: empty,
  AllocateNetwork: empty,
  FreeNetwork: empty,
  CreateNetwork: z.looseObject({ NetworkID: id, Options: options, IPv4Data: ipamList, IPv6Data: ipamList }),
  DeleteNetwork: z.looseObject({ NetworkID: id }),
  CreateEndpoint: z.looseObject({
    ...endpointRef,
    Interface: z
      .looseObject({ Address: text, AddressIPv6: text, MacAddress: text })
      .nullish()
      .transform((value) => value ?? { Address: "", AddressIPv6: "", MacAddress: "" }),
    Options: options,
  }),
  DeleteEndpoint: z.looseObject(endpointRef),
  EndpointOperInfo: z.looseObject(endpointRef),
  Join: z.looseObject({ ...endpointRef, SandboxKey: text, Options: options }),
  Leave: z.looseObject(endpointRef),
  DiscoverNew: empty,
  DiscoverDelete: empty,
  ProgramExternalConnectivity: z.looseObject({ ...endpointRef, Options: options }),
  RevokeExternalConnectivity: z.looseObject(endpointRef),
} as const;

export const addressCalls = {
  GetCapabilities: empty,
  GetDefaultAddressSpaces: empty,
  RequestPool: z.looseObject({
    AddressSpace: text,
    Pool: text,
    SubPool: text,
    Options: textMap,
    V6: z
      .boolean()
      .nullish()
      .transform((value) => value ?? false),
  }),
  ReleasePool: z.looseObject({ PoolID: id }),
  RequestAddress: z.looseObject({ PoolID: id, Address: text, Options: textMap }),
  ReleaseAddress: z.looseObject({ PoolID: id, Address: text }),
} as const;

export type NetworkCall = keyof typeof networkCalls;
export type AddressCall = keyof typeof addressCalls;
export type NetworkMessage<Call extends NetworkCall> = z.infer<(typeof networkCalls)[Call]>;
export type AddressMessage<Call extends AddressCall> = z.infer<(typeof addressCalls)[Call]>;
export type IpamData = z.infer<typeof ipamData>;

const portBinding = z.looseObject({
  /** IP protocol number. */
  Proto: z.int(),
  Port: z.int().min(1).max(65_535),
  HostIP: text,
  HostPort: z
    .int()
    .min(0)
    .max(65_535)
    .nullish()
    .transform((value) => value ?? 0),
  HostPortEnd: z
    .int()
    .min(0)
    .max(65_535)
    .nullish()
    .transform((value) => value ?? 0),
});

export const portMap = z
  .array(portBinding)
  .max(1024)
  .nullish()
  .transform((value) => value ?? []);
export type PortBinding = z.infer<typeof portBinding>;

/** What an agent says of its node: who it is and how the other nodes reach its containers. */
import type { Ip, Mac } from "../addr/index.ts";

export interface AgentIdentity {
  readonly name: string;
  /** UUID, kept for the life of the node. */
  readonly id: string;
  readonly version: string;
  readonly address: Ip;
  readonly zone: string;
  /** At most one a family. */
  readonly underlay: readonly Ip[];
  readonly vtepMac: Mac;
  readonly vxlanPort: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly taggedAddresses: Readonly<Record<string, string>>;
}

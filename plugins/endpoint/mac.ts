/**
 * Hardware addresses of endpoints, derived instead of drawn: an address that comes back after its quarantine
 * has the same MAC, so no cache anywhere can hold a wrong pair, and a repeated attach is the same attach.
 */
import { createHash } from "node:crypto";
import { type Ip, type Mac, privateMac } from "../../addr/index.ts";
import type { EndpointRef } from "./endpoint.ts";

/** Of the container's end, by its first address. */
export function containerMac(ip: Ip): Mac {
  return derived(`container ${ip}`);
}

/** Of the host's end, by the interface. */
export function hostMac({ containerId, ifname }: EndpointRef): Mac {
  return derived(`host ${containerId} ${ifname}`);
}

function derived(text: string): Mac {
  return privateMac(createHash("sha256").update(text).digest());
}

/** VXLAN network identifiers: 24 bits, of which 0 is left alone because some switches treat it as "no VNI". */
import { FabricError } from "../errors/index.ts";

declare const vniBrand: unique symbol;

export type Vni = number & { readonly [vniBrand]: true };

export const vniMax = 0xffffff;

/** @throws ADDR_INVALID_VNI */
export function parseVni(value: number | string): Vni {
  const vni = typeof value === "string" && /^[1-9][0-9]{0,7}$/.test(value) ? Number(value) : value;
  if (typeof vni !== "number" || !Number.isInteger(vni) || vni < 1 || vni > vniMax) {
    throw new FabricError(
      "ADDR_INVALID_VNI",
      `parse VNI ${String(value).slice(0, 64)}: expected a whole number from 1 to ${vniMax}`,
    );
  }
  return vni as Vni;
}

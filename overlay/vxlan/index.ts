/** The backend for nodes anywhere, and its device. */
export { type DeviceSpec, deviceAddresses, deviceSpec, planDevice } from "./device.ts";
export { vxlan } from "./vxlan.ts";

/** The Docker Engine, asked and listened to. */
export { EngineClient, type EngineClientOptions } from "./engine-client.ts";
export { type EngineEvent, parseEvent } from "./event.ts";
export { type EngineLimits, engineLimits } from "./limits.ts";
export { lines } from "./lines.ts";
export { type EngineNetwork, parseNetwork } from "./network.ts";

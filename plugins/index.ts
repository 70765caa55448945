/** What container engines talk to: the endpoint service and the plugins over it. */
export * from "./cni/index.ts";
export * from "./docker/index.ts";
export * from "./endpoint/index.ts";

/** Docker: what the engine asks of us, and what we ask of it. */
export * from "./driver/index.ts";
export * from "./engine/index.ts";
export * from "./registrar/index.ts";

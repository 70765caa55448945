/** The CNI plugin: the protocol, the agent's socket, the binary that runtimes start, and its installation. */
export { type CniAnswer, cniErrorNumbers } from "./answer.ts";
export { type CniInstallOptions, conflist, type InstallAction, installCni, uninstallCni } from "./install.ts";
export { type AnsweredCall, CniPlugin, type CniPluginOptions } from "./plugin.ts";
export { formatRequest } from "./request.ts";
export { CniServer, type CniServerLimits, type CniServerOptions, cniServerLimits } from "./server.ts";
export { buildShim, type ShimOptions } from "./shim/index.ts";
export { cniVersions } from "./version.ts";

/** The processes: agent, server, and both in one. */
export { httpsRefreshMs } from "./http/pem-files.ts";
export { agentTokensMax, tokenTtlMs } from "./link/node-rights.ts";
export { viewCatalogLimits } from "./names/view-catalog.ts";
export { hostStateJournal, journalPath, openAgentJournal } from "./node/agent-journal.ts";
export { aliasNodesMax } from "./node/aliases.ts";
export { type PurgeOptions, planPurge, purge } from "./node/purge.ts";
export { type HostPort, parseHostPort, printHostPort } from "./process/host-port.ts";
export { type Log, type LogLevel, openLog } from "./process/log.ts";
export {
  type AgentOptions,
  apiSockets,
  cniSocket,
  controlSocket,
  dockerSocket,
  type HttpsOptions,
  type ServerOptions,
} from "./process/options.ts";
export { claimRole, type Role, type RunningProcess, runningProcesses } from "./process/pid-file.ts";
export { version } from "./process/version.ts";
export { restoreWhole, wholeBackup } from "./servers/whole-backup.ts";
export { startAgent, startServer, startUp } from "./start.ts";
export type { UpOptions } from "./up.ts";

/** The processes: agent, server, and both in one. */
export { startAgent } from "./agent.ts";
export { hostStateJournal, journalPath, openAgentJournal } from "./agent-journal.ts";
export { aliasNodesMax } from "./aliases.ts";
export { type HostPort, parseHostPort, printHostPort } from "./host-port.ts";
export { type Log, type LogLevel, openLog } from "./log.ts";
export { agentTokensMax, tokenTtlMs } from "./node-rights.ts";
export {
  type AgentOptions,
  apiSockets,
  cniSocket,
  controlSocket,
  dockerSocket,
  type ServerOptions,
} from "./options.ts";
export { claimRole, type Role, type RunningProcess, runningProcesses } from "./pid-file.ts";
export { type PurgeOptions, planPurge, purge } from "./purge.ts";
export { startServer } from "./server.ts";
export { startUp, type UpOptions } from "./up.ts";
export { version } from "./version.ts";
export { viewCatalogLimits } from "./view-catalog.ts";

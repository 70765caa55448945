/** Heddle as network driver and IPAM driver of a Docker Engine. */
export { AddressDriver, type AddressDriverOptions } from "./address-driver.ts";
export {
  Collector,
  type CollectorLimits,
  type CollectReport,
  collectorLimits,
  type DockerEngine,
} from "./collector.ts";
export { DockerDriver, type DockerDriverOptions, driverName } from "./docker-driver.ts";
export {
  type AnsweredDockerCall,
  DockerPlugin,
  type DockerPluginLimits,
  type DockerPluginOptions,
  dockerPluginLimits,
  type PluginAnswer,
} from "./docker-plugin.ts";
export type { DockerAddresses, FabricPlan, OwnedLease, PlannedNetwork, PlannedSpec } from "./fabric-plan.ts";
export {
  type DockerInstallAction,
  type DockerInstallOptions,
  installDocker,
  specPath,
  uninstallDocker,
} from "./install.ts";
export { DockerJournal, type DockerJournalLimits, dockerJournalLimits } from "./journal.ts";
export { NetworkDriver, type NetworkDriverOptions } from "./network-driver.ts";
export { PluginServer, type PluginServerLimits, pluginServerLimits } from "./plugin-server.ts";
export { addressSpace, PoolDriver, type PoolDriverOptions } from "./pool-driver.ts";
export type { DockerEndpoint, DockerNetwork, DockerPool } from "./records.ts";

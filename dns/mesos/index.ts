/** Answers to Mesos-DNS's names, from the catalog. */
export { MesosDialect, type MesosServer, type MesosServers } from "./mesos-dialect.ts";
export { MesosDirectory, type MesosDirectoryOptions } from "./mesos-directory.ts";

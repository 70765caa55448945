/** `heddle up | server | agent`: starts the process, says once what runs where, ends on SIGTERM or SIGINT. */
import { join } from "node:path";
import {
  type AgentOptions,
  claimRole,
  cniSocket,
  type HttpsOptions,
  openLog,
  parseHostPort,
  type Role,
  type ServerOptions,
  startAgent,
  startServer,
  startUp,
} from "../../daemon/index.ts";
import { parseForwardZone, parseNameServer } from "../../dns/index.ts";
import { FabricError } from "../../errors/index.ts";
import {
  type AgentFlags,
  aclOption,
  aclTokenOption,
  dialects,
  type ListeningFlags,
  type ProcessFlags,
  type ServerFlags,
  serverAddress,
  share,
  storeAccess,
  textOrFile,
  wholeNumber,
} from "../options.ts";
import { table } from "../table.ts";

interface Stoppable {
  stop(): Promise<void>;
}

export async function up(
  flags: AgentFlags & { readonly grpc?: string; readonly acl?: string },
): Promise<void> {
  const options = {
    ...agentOptions(flags, "up"),
    ...mesosOption(flags),
    ...aclOption(flags),
    store: `sqlite:${join(flags.dataDir, "store.sqlite")}`,
    ...(flags.grpc !== undefined && { grpc: parseHostPort("--grpc", flags.grpc) }),
  };
  await run(
    "up",
    flags,
    () => startUp(options),
    {
      HTTP: `http://${flags.http}`,
      ...httpsPlace(flags),
      DNS: flags.dns,
      CNI: join(flags.runDir, cniSocket),
      ...(flags.grpc !== undefined && { gRPC: flags.grpc }),
      store: options.store,
    },
    firstSteps(flags),
  );
}

export async function server(flags: ServerFlags): Promise<void> {
  const {
    runDir,
    dataDir,
    datacenter,
    insecure = false,
    store = `sqlite:${join(dataDir, "store.sqlite")}`,
  } = flags;
  const options: ServerOptions = {
    runDir,
    dataDir,
    datacenter,
    insecure,
    ...mesosOption(flags),
    ...aclOption(flags),
    store,
    storeAccess: storeAccess(flags),
    http: parseHostPort("--http", flags.http),
    ...httpsOption(flags),
    ...(flags.httpHost && { httpHosts: flags.httpHost }),
    grpc: parseHostPort("--grpc", flags.grpc),
    log: openLog(flags.logLevel, "server"),
  };
  await run("server", flags, () => startServer(options), {
    HTTP: `http://${flags.http}`,
    ...httpsPlace(flags),
    gRPC: flags.grpc,
    store,
  });
}

export async function agent(flags: AgentFlags & { readonly server: readonly string[] }): Promise<void> {
  const options = { ...agentOptions(flags, "agent"), servers: flags.server.map(serverAddress) };
  await run("agent", flags, () => startAgent(options), {
    HTTP: `http://${flags.http}`,
    ...httpsPlace(flags),
    DNS: flags.dns,
    CNI: join(flags.runDir, cniSocket),
    server: flags.server.join(", "),
  });
}

/** @throws CLI_USAGE, DAEMON_OPTION_INVALID */
function httpsOption(flags: ListeningFlags): { readonly https?: HttpsOptions } {
  const { https, httpsCert: certFile, httpsKey: keyFile, httpsClientCa: clientCaFile } = flags;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new FabricError("CLI_USAGE", "read --https-cert and --https-key: give both or none");
  if (https === undefined) {
    if (certFile === undefined && clientCaFile === undefined) return {};
    throw new FabricError(
      "CLI_USAGE",
      "read --https-cert and --https-client-ca: they are for --https; say where to listen, as --https 0.0.0.0:8501",
    );
  }
  return {
    https: {
      listen: parseHostPort("--https", https),
      ...(certFile !== undefined && keyFile !== undefined && { certFile, keyFile }),
      ...(clientCaFile !== undefined && { clientCaFile }),
    },
  };
}

function httpsPlace({ https }: ListeningFlags): { readonly HTTPS?: string } {
  return https === undefined ? {} : { HTTPS: `https://${https}` };
}

/** The domain of Mesos-DNS's HTTP interface, where that is switched on. */
function mesosOption({ dialect = [] }: { readonly dialect?: readonly string[] }): {
  readonly mesosDomain?: string;
} {
  const { mesos } = dialects(dialect);
  return mesos === undefined ? {} : { mesosDomain: mesos };
}

function agentOptions(flags: AgentFlags, role: Role): Omit<AgentOptions, "servers"> {
  const {
    runDir,
    dataDir,
    datacenter,
    zone,
    node,
    advertise,
    docker,
    dockerPluginDir,
    enableScripts = false,
    insecure = false,
  } = flags;
  const { dnsTlsCert: certFile, dnsTlsKey: keyFile } = flags;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new FabricError("CLI_USAGE", "read --dns-tls-cert and --dns-tls-key: give both or none");
  }
  return {
    runDir,
    dataDir,
    datacenter,
    zone,
    enableScripts,
    insecure,
    ...(node !== undefined && { node }),
    ...(flags.joinToken !== undefined && { joinToken: textOrFile("--join-token", flags.joinToken) }),
    ...(advertise !== undefined && { advertise }),
    ...(flags.upstream && { upstream: flags.upstream.map(parseNameServer) }),
    forwardZones: (flags.forward ?? []).map(parseForwardZone),
    ...(certFile !== undefined &&
      keyFile !== undefined && {
        dnsTls: { certFile, keyFile, port: wholeNumber("--dns-tls-port", flags.dnsTlsPort, 1, 65_535) },
      }),
    ...aclTokenOption(flags),
    ...(docker !== false && { docker }),
    ...(dockerPluginDir !== undefined && { dockerPluginDir }),
    dockerGraceMs: wholeNumber("--docker-grace", flags.dockerGrace, 1, 3600) * 1000,
    http: parseHostPort("--http", flags.http),
    ...httpsOption(flags),
    ...(flags.httpHost && { httpHosts: flags.httpHost }),
    dns: parseHostPort("--dns", flags.dns),
    answers: {
      panicThreshold: share("--panic-threshold", flags.panicThreshold),
      subsetMax: wholeNumber("--subset", flags.subset, 0, 65_535),
      flapDamping: flags.flapDamping ?? false,
      dialects: { ...dialects(flags.dialect ?? []), ...(flags.stubZones && { skydnsStubs: true }) },
    },
    vxlanPort: wholeNumber("--vxlan-port", flags.vxlanPort, 1, 65_535),
    log: openLog(flags.logLevel, role),
  };
}

async function run(
  role: Role,
  flags: ProcessFlags,
  start: () => Promise<Stoppable>,
  where: Readonly<Record<string, string>>,
  hint = "",
): Promise<void> {
  const giveBack = claimRole(flags.runDir, role);
  // The timers of a clock keep no process alive, and one without clients has nothing else.
  const alive = setInterval(() => undefined, 60_000);
  try {
    const running = await start();
    const told = signalled();
    const readyMs = Math.round(process.uptime() * 1000);
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ role, pid: process.pid, readyMs, ...where })}\n`);
    else
      process.stdout.write(
        `heddle ${role} is ready after ${readyMs} ms\n\n${table(["WHAT", "WHERE"], Object.entries(where))}\n${hint}`,
      );
    await told;
    await running.stop();
  } finally {
    clearInterval(alive);
    giveBack();
  }
}

/**
 * Resolves at the first SIGTERM or SIGINT; a second one ends the process at once, as does one during the start:
 * that is a crash to us, and crashes are prepared for.
 */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
}

function firstSteps({ http, dns }: AgentFlags): string {
  const [dnsHost = "", dnsPort = ""] = dns.split(/:(?=\d+$)/);
  return `
Three things to try, in another terminal:

  write a key and read it back
    curl -X PUT -d hello http://${http}/v1/kv/greeting && npx heddle kv get greeting
  register a service and find it by name
    curl -X PUT -d '{"Name":"web","Address":"127.0.0.1","Port":8080}' http://${http}/v1/agent/service/register
    dig +short @${dnsHost} -p ${dnsPort} web.service.consul
  let container runtimes use it (CNI)
    npx heddle cni install && npx heddle ipam show
`;
}

/**
 * The command line. Each command's module is loaded only when it runs, so that `heddle kv get` does not pay
 * for the daemon. Exit status: 0 done, 1 failed, 2 wrong use, 3 Heddle cannot be reached, 4 not found.
 */
import { Command, CommanderError, Option } from "commander";
import manifest from "../package.json" with { type: "json" };
import { exitStatusOf, reportError } from "./exit.ts";

const program = new Command("heddle")
  .description("Container networking and service discovery for one machine or many.")
  .version(manifest.version, "-V, --version", "print the version")
  .exitOverride()
  .showHelpAfterError("(run the command with --help to see what it takes)")
  .addHelpText(
    "after",
    "\nFirst steps:\n  heddle up                      one node, embedded store\n  heddle status                  what runs, what is wrong\n  heddle dns web.service.consul  ask for a name",
  );

/** Options of every command that talks to a running Heddle. */
function remote(command: Command): Command {
  return command
    .addOption(
      new Option("--run-dir <dir>", "where the sockets of the local agent are")
        .default("/run/heddle")
        .env("HEDDLE_RUN_DIR"),
    )
    .addOption(
      new Option("--http <url>", "talk to this HTTP address instead, as https://192.0.2.10:8501").env(
        "HEDDLE_HTTP",
      ),
    )
    .addOption(
      new Option("--ca-file <file>", "certificates (PEM) that an https address must be signed by").env(
        "CONSUL_CACERT",
      ),
    )
    .addOption(new Option("--client-cert <file>", "our certificate for it (PEM)").env("CONSUL_CLIENT_CERT"))
    .addOption(new Option("--client-key <file>", "its key (PEM)").env("CONSUL_CLIENT_KEY"))
    .addOption(
      new Option("--tls-server-name <name>", "name that its certificate must have").env(
        "CONSUL_TLS_SERVER_NAME",
      ),
    )
    .option("--json", "print JSON");
}

/** Options of every command that runs a process. */
function running(command: Command): Command {
  return command
    .addOption(
      new Option("--run-dir <dir>", "directory of sockets and the pid file")
        .default("/run/heddle")
        .env("HEDDLE_RUN_DIR"),
    )
    .addOption(
      new Option("--data-dir <dir>", "directory of the store and the journal")
        .default("/var/lib/heddle")
        .env("HEDDLE_DATA_DIR"),
    )
    .addOption(
      new Option("--log-level <level>", "how much to log to standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--datacenter <name>", "name of this datacenter", "dc1")
    .option("--json", "print what runs as one JSON object instead of a text");
}

/** Options of what opens a store. */
function stored(command: Command): Command {
  return command
    .option(
      "--store <engine>",
      "sqlite:PATH, etcd:URL[,URL], consul:URL[,URL] or memory (default: of a server, sqlite in the data directory)",
    )
    .option("--store-prefix <name/>", "where in etcd or Consul the keys of this fabric are", "heddle/")
    .option(
      "--store-ca <file>",
      "certificates that the store's own must be signed by (default: the system's)",
    )
    .option("--store-cert <file>", "our certificate for the store, with --store-key")
    .option("--store-key <file>", "the key of --store-cert")
    .option("--store-user <name>", "our user at the store")
    .option("--store-secret <file>", "file with the user's password, or with Consul's token");
}

/** Options of every process that listens. */
function listening(command: Command): Command {
  return running(command)
    .option("--insecure", "speak gRPC in plain text, and let HTTP listen beyond loopback")
    .option(
      "--http-host <name...>",
      "names that HTTP goes by, beside addresses, localhost and the node's name; any: all (default: any beyond loopback)",
    )
    .option("--https <host:port>", "serve HTTP over TLS there, too, as on 0.0.0.0:8501")
    .option("--https-cert <file>", "certificate (PEM) to do so with (default: one of the fabric's authority)")
    .option("--https-key <file>", "its key (PEM)")
    .option("--https-client-ca <file>", "demand a certificate of clients that one of these (PEM) has signed");
}

function agentOptions(command: Command): Command {
  return listening(command)
    .option("--node <name>", "name of this node (default: the host's name)")
    .option(
      "--advertise <ip>",
      "underlay address that other nodes reach this one at (default: the one of the default route)",
    )
    .option("--zone <name>", "nodes of one zone reach each other directly", "default")
    .option("--http <host:port>", "where to serve HTTP", "127.0.0.1:8500")
    .option("--dns <host:port>", "where to answer DNS", "127.0.0.1:8600")
    .option(
      "--upstream <server...>",
      "resolvers for other names: IP, IP:PORT or tls://IP#NAME (default: those of /etc/resolv.conf)",
    )
    .option("--forward <zone=servers...>", "resolvers for one zone, as in corp.example=10.0.0.1,10.0.0.2")
    .option("--dns-tls-cert <file>", "certificate (PEM) to answer DNS over TLS with")
    .option("--dns-tls-key <file>", "its key (PEM)")
    .option("--dns-tls-port <port>", "port of DNS over TLS", "853")
    .option(
      "--dialect <name...>",
      "answer other names, too: skydns (below skydns.local), mesos (below mesos), or NAME=DOMAIN",
    )
    .option("--stub-zones", "with --dialect skydns: ask the servers that its keys below dns/stub name")
    .option(
      "--panic-threshold <share>",
      "below this healthy part of a service DNS names all of it; 0: never",
      "0",
    )
    .option(
      "--subset <count>",
      "name so many instances of a service, always the same to one client; 0: all",
      "0",
    )
    .option("--flap-damping", "let instances that come and go rest for a while")
    .option("--vxlan-port <port>", "UDP port of the overlay", "4789")
    .option("--acl-token-file <file>", "secret of the agent's own token: for DNS, and requests without one")
    .option("--enable-scripts", "allow script checks")
    .option("--docker <socket>", "follow the containers of the Docker Engine there", "/run/docker.sock")
    .option("--no-docker", "follow no Docker Engine")
    .option(
      "--docker-plugin-dir <dir>",
      "where Docker Engines look for heddle.sock (default: /run/docker/plugins on a host with an engine)",
    )
    .option(
      "--docker-grace <seconds>",
      "how long something is missing at the engine before it is taken away",
      "30",
    );
}

function define(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .exitOverride()
    .showHelpAfterError("(run the command with --help to see what it takes)");
}

agentOptions(define(program, "up", "run server and agent in one process on the embedded store"))
  .option("--acl <policy>", "look at tokens; allow or deny what no rule is written for (default: no tokens)")
  .option("--grpc <host:port>", "let agents of other hosts connect here (default: nobody but this process)")
  .action(async (options) => (await import("./commands/run.ts")).up(options));
stored(listening(define(program, "server", "run a server over the store")))
  .option("--acl <policy>", "look at tokens; allow or deny what no rule is written for (default: no tokens)")
  .option("--grpc <host:port>", "where agents connect", "127.0.0.1:8502")
  .option(
    "--dialect <name...>",
    "mesos: serve Mesos-DNS's HTTP interface for the domain mesos, or mesos=DOMAIN",
  )
  .option("--http <host:port>", "where to serve HTTP", "127.0.0.1:8500")
  .action(async (options) => (await import("./commands/run.ts")).server(options));
agentOptions(define(program, "agent", "run the agent of this node"))
  .requiredOption("--server <host:port...>", "servers to connect to, in order of preference")
  .addOption(
    new Option(
      "--join-token <token>",
      "lets this node in at the first time: the text of `heddle token create`, or @FILE",
    ).env("HEDDLE_JOIN_TOKEN"),
  )
  .action(async (options) => (await import("./commands/run.ts")).agent(options));
running(define(program, "down", "stop Heddle on this node; its containers keep talking"))
  .option("--purge", "also take everything off the kernel and forget this node's addresses")
  .option("--dry-run", "print what would be done, do nothing")
  .action(async (options) => (await import("./commands/down.ts")).down(options));

remote(define(program, "status", "show what runs on this node and what is wrong")).action(async (options) =>
  (await import("./commands/status.ts")).status(options),
);

const network = define(program, "network", "networks and their address pools");
remote(define(network, "create", "make a network"))
  .argument("<name>")
  .requiredOption("--pool <cidr...>", "address pools, IPv4 and/or IPv6")
  .addOption(
    new Option("--backend <name>", "how nodes reach each other")
      .choices(["auto", "direct", "vxlan"])
      .default("auto"),
  )
  .option("--block-prefix <length...>", "prefix length of a node's block, one for each pool")
  .option("--mtu <bytes>", "MTU of the containers' interfaces (default: what the underlay allows)")
  .option("--no-masquerade", "let containers leave the fabric with their own address")
  .addOption(
    new Option(
      "--policy <name>",
      "with whom its containers talk: each other and the outside; all open networks too; only each other",
    )
      .choices(["isolated", "open", "internal"])
      .default("isolated"),
  )
  .action(async (name, options) => (await import("./commands/network.ts")).create(name, options));
remote(define(network, "ls", "list networks")).action(async (options) =>
  (await import("./commands/network.ts")).list(options),
);
remote(define(network, "rm", "remove a network that no container uses"))
  .argument("<name>")
  .option("--force", "also while nodes hold addresses of it: you vouch that no container uses them")
  .action(async (name, options) => (await import("./commands/network.ts")).remove(name, options));

const ipam = define(program, "ipam", "addresses");
remote(define(ipam, "show", "pools, blocks and addresses in use"))
  .argument("[network]")
  .action(async (name, options) => (await import("./commands/ipam.ts")).show(name, options));

const node = define(program, "node", "the nodes of the fabric");
remote(define(node, "ls", "list nodes")).action(async (options) =>
  (await import("./commands/node.ts")).list(options),
);
remote(define(node, "forget", "give up on a node: its blocks become free when its time is over"))
  .argument("<name>")
  .option("--force", "free its blocks at once; you vouch that the node is gone")
  .action(async (name, options) => (await import("./commands/node.ts")).forget(name, options));

remote(define(node, "revoke", "refuse every certificate that a node has, at once"))
  .argument("<name>")
  .action(async (name, options) => (await import("./commands/node.ts")).revoke(name, options));

const token = define(program, "token", "what lets nodes in; on a server's host");
remote(define(token, "create", "make a token for `heddle agent --join-token`"))
  .option("--node <name>", "let in this node only; needed for a name that the fabric knows already")
  .option("--readmit", "let in nodes that the fabric knows by name alone: for a store that is an older copy")
  .option("--uses <count>", "how many nodes it lets in", "1")
  .option("--ttl <time>", "how long it is good", "1h")
  .action(async (options) => (await import("./commands/token.ts")).create(options));
remote(define(token, "ls", "list tokens that are still good")).action(async (options) =>
  (await import("./commands/token.ts")).list(options),
);
remote(define(token, "rm", "take a token back"))
  .argument("<id>")
  .action(async (id, options) => (await import("./commands/token.ts")).remove(id, options));

const ca = define(program, "ca", "the fabric's certificate authority");
remote(define(ca, "show", "print its certificates (PEM), for clients of --https")).action(async (options) =>
  (await import("./commands/ca.ts")).show(options),
);

remote(define(ca, "status", "show what signs, and how far a rotation is; on a server's host")).action(
  async (options) => (await import("./commands/ca.ts")).status(options),
);
remote(
  define(ca, "rotate", "replace what signs, step by step, and cut nobody off; on a server's host"),
).action(async (options) => (await import("./commands/ca.ts")).rotate(options));
remote(define(ca, "reset", "replace what signs at once, after it was lost or stolen; on a server's host"))
  .option("--force", "needed: every node is cut off until it joins with the token that this prints")
  .action(async (options) => (await import("./commands/ca.ts")).reset(options));

const recover = define(
  program,
  "recover",
  "an address plan from the nodes that hold it, after the store was lost or put back to an older copy",
);
stored(
  running(define(recover, "begin", "let the servers of this store gather it; while none of them runs")),
).action(async (options) => (await import("./commands/recover.ts")).begin(options));
remote(define(recover, "status", "show what nodes stated, who is missing, and conflicts")).action(
  async (options) => (await import("./commands/recover.ts")).status(options),
);
remote(define(recover, "finish", "take over what nodes stated, and let nodes in"))
  .option("--gone <node...>", "nodes of which no container runs, as you vouch: what they hold becomes free")
  .action(async (options) => (await import("./commands/recover.ts")).finish(options));
remote(
  define(recover, "cancel", "let nodes in without what they stated; they give up their addresses"),
).action(async (options) => (await import("./commands/recover.ts")).cancel(options));

const snapshot = define(program, "snapshot", "save and restore what people wrote, or a whole store");
stored(remote(define(snapshot, "save", "save keys, queries and nodes outside of the fabric to a file")))
  .argument("<file>")
  .option("--all", "everything that makes another store the same fabric, its secrets included")
  .option("--datacenter <name>", "name of the datacenter, with --store", "dc1")
  .action(async (file, options) => (await import("./commands/snapshot.ts")).save(file, options));
stored(remote(define(snapshot, "restore", "put back what is in a file, in one step")))
  .argument("<file>")
  .action(async (file, options) => (await import("./commands/snapshot.ts")).restore(file, options));
define(snapshot, "inspect", "check a file and tell what is in it")
  .argument("<file>")
  .option("--json", "print JSON")
  .action(async (file, options) => (await import("./commands/snapshot.ts")).inspect(file, options));

const kv = define(program, "kv", "the key/value store");
remote(define(kv, "get", "print a value"))
  .argument("<key>")
  .action(async (key, options) => (await import("./commands/kv.ts")).get(key, options));
remote(define(kv, "put", "write a value; without one, standard input"))
  .argument("<key>")
  .argument("[value]")
  .option("--cas <index>", "only if the key's ModifyIndex is this; 0: only if there is no such key")
  .action(async (key, value, options) => (await import("./commands/kv.ts")).put(key, value, options));
remote(define(kv, "ls", "list keys"))
  .argument("[prefix]")
  .action(async (prefix, options) => (await import("./commands/kv.ts")).list(prefix, options));
remote(define(kv, "rm", "delete a key"))
  .argument("<key>")
  .option("--recurse", "delete every key that begins so")
  .action(async (key, options) => (await import("./commands/kv.ts")).remove(key, options));

const service = define(program, "service", "services");
remote(define(service, "ls", "list services with their instances and health")).action(async (options) =>
  (await import("./commands/service.ts")).list(options),
);

remote(define(program, "explain", "tell why this node's DNS answers a question as it does"))
  .argument("<name>")
  .argument("[type]", "record type", "A")
  .option("--client <ip>", "who asks", "127.0.0.1")
  .option("--edns <bytes>", "what the client says that it takes; 0: it has no EDNS", "1232")
  .option("--tcp", "ask by TCP")
  .action(async (name, type, options) =>
    (await import("./commands/explain.ts")).explain(name, type, options),
  );

remote(define(program, "dns", "ask this node's DNS for a name"))
  .argument("<name>")
  .argument("[type]", "record type", "A")
  .option("--server <host:port>", "where to ask", "127.0.0.1:8600")
  .option("--tcp", "ask over TCP")
  .action(async (name, type, options) => (await import("./commands/dns.ts")).ask(name, type, options));

const cni = define(program, "cni", "the CNI plugin");
for (const action of ["install", "uninstall"] as const) {
  const command = define(
    cni,
    action,
    action === "install" ? "install the plugin and its network configuration" : "remove what install made",
  )
    .option("--bin-dir <dir>", "where the runtime looks for plugins", "/opt/cni/bin")
    .option("--conf-dir <dir>", "where the runtime looks for networks", "/etc/cni/net.d")
    .addOption(
      new Option("--run-dir <dir>", "where the agent's sockets are")
        .default("/run/heddle")
        .env("HEDDLE_RUN_DIR"),
    )
    .option("--dry-run", "print what would be done, do nothing")
    .option("--json", "print JSON");
  if (action === "install") command.option("--network <name>", "network that containers join", "default");
  command.action(async (options) => (await import("./commands/cni.ts"))[action](options));
}

const docker = define(program, "docker", "the Docker plugin");
for (const action of ["install", "uninstall"] as const) {
  define(
    docker,
    action,
    action === "install"
      ? "tell Docker Engines of this host where the plugin is"
      : "remove what install made",
  )
    .option("--plugin-dir <dir>", "where engines look for plugins", "/etc/docker/plugins")
    .addOption(
      new Option("--run-dir <dir>", "where the agent's sockets are")
        .default("/run/heddle")
        .env("HEDDLE_RUN_DIR"),
    )
    .option("--dry-run", "print what would be done, do nothing")
    .option("--json", "print JSON")
    .action(async (options) => (await import("./commands/docker.ts"))[action](options));
}

/** Runs the command line of this process and sets its exit status. */
export async function runProgram(): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Who reads may stop reading, as `head` does. No command writes without end, so there is nothing to stop.
    if (error.code !== "EPIPE") throw error;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else {
      reportError(error, process.argv.includes("--json"));
      process.exitCode = exitStatusOf(error);
    }
  }
}

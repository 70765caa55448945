/** `heddle service ls`: every instance, with the worst of its checks. */
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

/** What is read of an entry of /v1/health/service. */
interface HealthEntry {
  readonly Node: { readonly Node: string; readonly Address: string };
  readonly Service: {
    readonly ID: string;
    readonly Service: string;
    readonly Address: string;
    readonly Port: number;
    readonly Ports?: readonly { readonly Name: string; readonly Port: number }[];
    readonly Tags: readonly string[];
  };
  readonly Checks: readonly { readonly Status: string }[];
}

const severity = ["passing", "warning", "critical"];

export async function list(options: RemoteOptions): Promise<void> {
  const client = connect(options);
  const names = Object.keys(
    await client.json<Record<string, readonly string[]>>("GET", "/v1/catalog/services"),
  );
  const entries = await Promise.all(
    names.map((name) =>
      client.json<readonly HealthEntry[]>("GET", `/v1/health/service/${encodeURIComponent(name)}`),
    ),
  );
  const instances = entries.flat().map(({ Node, Service, Checks }) => ({
    service: Service.Service,
    id: Service.ID,
    node: Node.Node,
    address: Service.Address || Node.Address,
    port: Service.Port,
    ...(Service.Ports && { ports: Service.Ports.map(({ Name, Port }) => ({ name: Name, port: Port })) }),
    tags: Service.Tags,
    status: severity[Math.max(0, ...Checks.map(({ Status }) => severity.indexOf(Status)))] ?? "critical",
  }));
  print(options, instances, () =>
    table(
      ["SERVICE", "ID", "NODE", "ADDRESS", "PORT", "TAGS", "STATUS"],
      instances.map(({ service, id, node, address, port, ports, tags, status }) => [
        service,
        id,
        node,
        address,
        ports?.map((each) => `${each.name}:${each.port}`).join(",") ?? port,
        tags.join(","),
        status,
      ]),
    ),
  );
}

/** `heddle explain NAME [TYPE]`: why this node's DNS answers as it does. Status 4 for NXDOMAIN, 1 for any other failure. */
import type { Explanation } from "../../dns/index.ts";
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

interface ExplainFlags extends RemoteOptions {
  readonly client: string;
  readonly edns: string;
  readonly tcp?: boolean;
}

export async function explain(name: string, type: string, flags: ExplainFlags): Promise<void> {
  const { client, edns, tcp = false } = flags;
  const query = new URLSearchParams({ name, type, client, edns, transport: tcp ? "tcp" : "udp" });
  const found = await connect(flags).json<Explanation>("GET", `/v1/heddle/explain?${query}`);
  print(flags, found, () => explanationText(found));
  const { outcome } = found.reply;
  if (outcome !== "answer" && outcome !== "nodata") process.exitCode = outcome === "nxdomain" ? 4 : 1;
}

export function explanationText(found: Explanation): string {
  const { question, parsed, choices, path, ttl, size, reply } = found;
  const parts = Object.entries(parsed.parts).map(([part, value]) => `${part} ${value}`);
  const rows = [
    ["question", `${question.name} ${question.type}, from ${question.client} by ${question.transport}`],
    ["answer", `${reply.rcode}: ${reply.meaning}`],
    [
      "name",
      parsed.dialect === "none"
        ? "below no domain of ours"
        : `${parsed.dialect}, below ${parsed.domain}: ${[parsed.kind, ...parts].join(", ")}`,
    ],
    ["path", pathText(path)],
    ...found.lookups.map((lookup) => ["read", lookupText(lookup)]),
    ...(found.staleForMs === undefined
      ? []
      : [["stale", `no server was heard for ${seconds(found.staleForMs)}: this may be out of date`]]),
    ["TTL", `${ttl.seconds} s: ${ttl.reason}`],
    ["order", found.order],
    [
      "size",
      `${size.wholeBytes} bytes of ${size.limitBytes} (${size.limitReason}); ${size.answersSent} of ${size.answers} answers${size.truncated ? ", truncated" : ""}`,
    ],
  ];
  const sections = [
    rows.map(([label = "", text = ""]) => `${label.padEnd(10)}${text}`).join("\n"),
    ...choices.map(choiceText),
    ...section("ANSWER", reply.answers),
    ...section("AUTHORITY", reply.authorities),
    ...section("ADDITIONAL", reply.additionals),
  ];
  return sections.join("\n\n");
}

function pathText({ kind, forwards, ready }: Explanation["path"]): string {
  const others = forwards.map(
    ({ name, tookMs, failed }) =>
      `${failed ? "asked in vain" : "asked"} elsewhere for ${name} (${Math.round(tookMs)} ms; 0 ms is the cache)`,
  );
  const own = kind === "own" ? [ready ? "our own names, a ready answer" : "our own names"] : [kind];
  return [...own, ...others].join("; ");
}

function lookupText({ source, found, tookMs, ageMs }: Explanation["lookups"][number]): string {
  const age = ageMs === undefined ? "" : `, current ${seconds(ageMs)} ago`;
  return `${source}: ${found === undefined ? "failed" : `${found} found`} (${Math.round(tookMs)} ms${age})`;
}

function choiceText({ instances, panic, panicThreshold }: Explanation["choices"][number]): string {
  const rows = instances.map(({ node, id, address, port, status, verdict, failing }) => [
    node,
    id,
    address,
    port,
    status,
    verdict,
    failing.map((check) => `${check.id} ${check.status}`).join(", "),
  ]);
  const heading = ["NODE", "ID", "ADDRESS", "PORT", "STATUS", "VERDICT", "BECAUSE OF"];
  const note = panic ? `\nfewer than ${panicThreshold} of them are healthy: panic` : "";
  return `${table(heading, rows)}${note}`;
}

function section(title: string, records: readonly string[]): string[] {
  return records.length === 0 ? [] : [`${title}\n${records.join("\n")}`];
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`;
}

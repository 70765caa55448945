/**
 * Templates of prepared queries: `${name.full}`, `${name.prefix}`, `${name.suffix}`, `${match(N)}` and
 * `${agent.segment}` in the texts of a query stand for parts of the name that was asked for; `$${` is a plain `${`.
 * (Consul, "Prepared query templates".) Heddle has one segment, whose name is empty.
 *
 * Cost: one pass over the query's texts an execution; names are bounded by `queryNameBytesMax`.
 */
import { FabricError } from "../../errors/index.ts";
import type { QueryEntry, QueryRecord } from "../model.ts";
import { LinearRegex } from "../regex/linear-regex.ts";

type Spec = Omit<QueryRecord, "id">;

interface Names {
  readonly full: string;
  readonly prefix: string;
  /** Of the regular expression, the whole match first; empty when there is none. */
  readonly groups: readonly string[];
}

/** @throws REGISTRY_INVALID when the template could not be rendered for some name */
export function assertTemplate(spec: Spec): void {
  if (!spec.template) return;
  try {
    render(spec, { full: spec.name, prefix: spec.name, groups: [] });
    if (spec.template.regexp !== "") new LinearRegex(spec.template.regexp);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "invalid";
    throw new FabricError("REGISTRY_INVALID", `Bad template: ${why}`, { cause });
  }
}

/** The query as it is for this name; one without a template is as it is. */
export function renderQuery(query: QueryEntry, name: string): QueryEntry {
  if (!query.template) return query;
  const { regexp } = query.template;
  const groups = regexp === "" ? [] : (new LinearRegex(regexp).match(name) ?? []);
  return { ...query, ...render(query, { full: name, prefix: query.name, groups }) };
}

function render(spec: Spec, names: Names): Spec {
  const text = (template: string) => renderText(template, names);
  const texts = (templates: readonly string[]) => templates.map(text);
  const map = (templates: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(templates).map(([key, value]) => [key, text(value)]));
  const tags = texts(spec.tags);
  return {
    ...spec,
    service: text(spec.service),
    tags: spec.template?.removeEmptyTags ? tags.filter((tag) => tag !== "") : tags,
    nodeMeta: map(spec.nodeMeta),
    serviceMeta: map(spec.serviceMeta),
    ignoreCheckIds: texts(spec.ignoreCheckIds),
    near: text(spec.near),
    failoverDatacenters: texts(spec.failoverDatacenters),
    failoverTargets: spec.failoverTargets.map(({ peer, datacenter }) => ({
      peer: text(peer),
      datacenter: text(datacenter),
    })),
  };
}

function renderText(template: string, names: Names): string {
  return template.replace(/\$\$\{|\$\{([^}]*)\}?/g, (whole, inner: string | undefined) => {
    if (inner === undefined) return "${";
    if (!whole.endsWith("}")) throw invalid(template, "an interpolation is not closed");
    return textOf(inner.trim(), names, template);
  });
}

function textOf(expression: string, { full, prefix, groups }: Names, template: string): string {
  switch (expression) {
    case "name.full":
      return full;
    case "name.prefix":
      return prefix;
    case "name.suffix":
      return full.slice(prefix.length);
    case "agent.segment":
      return "";
    default: {
      const group = /^match\(\s*(\d{1,4})\s*\)$/.exec(expression);
      if (!group) throw invalid(template, `${JSON.stringify(expression)} is not known`);
      return groups[Number(group[1])] ?? "";
    }
  }
}

function invalid(template: string, why: string): FabricError {
  return new FabricError("REGISTRY_INVALID", `${JSON.stringify(template.slice(0, 200))}: ${why}`);
}

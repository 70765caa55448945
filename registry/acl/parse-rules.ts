/**
 * The text of a policy → its rules. What Heddle has nothing for but Consul does (`keyring`, `mesh`, `peering`,
 * `intentions`) is checked and has no effect; everything else unknown is refused, as a typing error in a denial would
 * open what it should close. Source: Consul, "ACL rules reference".
 */
import { type Entry, invalid, parseEntries } from "./hcl.ts";
import { type Access, namedResources, type Rule, soleResources } from "./rule.ts";

export const rulesBytesMax = 64 * 1024;
export const rulesPerPolicyMax = 2048;

/** @throws REGISTRY_INVALID */
export function parseRules(text: string): readonly Rule[] {
  if (Buffer.byteLength(text) > rulesBytesMax) throw invalid(`they have more than ${rulesBytesMax} bytes`);
  const rules = parseEntries(text).flatMap(rulesOf);
  if (rules.length > rulesPerPolicyMax) throw invalid(`there are more than ${rulesPerPolicyMax}`);
  return rules;
}

function rulesOf({ name, value }: Entry): Rule[] {
  const sole = soleResources.find((resource) => resource === name);
  if (sole) return [{ resource: sole, match: "exact", name: "", access: accessOf(name, value) }];
  if (name === "keyring" || name === "mesh" || name === "peering") {
    accessOf(name, value);
    return [];
  }
  const resource = namedResources.find((one) => name === one || name === `${one}_prefix`);
  if (!resource) throw invalid(`unknown rule ${JSON.stringify(name)}`);
  if (typeof value === "string")
    throw invalid(`${name} wants a name and a policy: ${name} "…" { policy = "read" }`);
  const match = name === resource ? "exact" : "prefix";
  return value.map((one) => ({ resource, match, name: one.name, access: policyOf(name, one) }));
}

function policyOf(kind: string, { name, value }: Entry): Access {
  const what = `${kind} ${JSON.stringify(name)}`;
  if (typeof value === "string") throw invalid(`${what} wants { policy = "read" }`);
  let policy: Access | undefined;
  for (const field of value) {
    if (field.name === "intentions" && kind.startsWith("service"))
      accessOf(`${what}: intentions`, field.value);
    else if (field.name === "policy" && policy === undefined) policy = accessOf(what, field.value);
    else throw invalid(`${what}: unexpected ${JSON.stringify(field.name)}`);
  }
  if (policy === undefined) throw invalid(`${what} has no policy`);
  if (policy === "list" && !kind.startsWith("key")) throw invalid(`${what}: only keys are listed`);
  return policy;
}

function accessOf(what: string, value: Entry["value"]): Access {
  if (value === "deny" || value === "read" || value === "list" || value === "write") return value;
  throw invalid(`${what}: invalid policy ${JSON.stringify(value)}`);
}

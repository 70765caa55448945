/** Tokens and policies in the shapes of Consul's, and back. Secrets are shown to who may write them. */
import { createHash } from "node:crypto";
import type { PolicyEntry, PolicySpec, RegistryReads, TokenEntry, TokenSpec } from "../../registry/index.ts";
import type { BodyFields } from "../body/body-fields.ts";
import { badRequest } from "../query.ts";

type Acl = RegistryReads["acl"];

export function policyJson(policy: PolicyEntry) {
  const { rules: Rules, ...fields } = policyListJson(policy);
  return { ...fields, Rules };
}

/** Lists leave the rules out. */
export function policyListJson({ id, name, description, rules, datacenters, ...indexes }: PolicyEntry) {
  return {
    ID: id,
    Name: name,
    Description: description,
    ...(datacenters.length > 0 && { Datacenters: datacenters }),
    Hash: hashOf([name, description, rules, ...datacenters]),
    CreateIndex: Math.max(1, indexes.createIndex),
    ModifyIndex: Math.max(1, indexes.modifyIndex),
    rules,
  };
}

export function tokenJson(acl: Acl, token: TokenEntry, showsSecret: boolean) {
  const { id, secret, description, policies, serviceIdentities, nodeIdentities, local, createdAtMs } = token;
  const known = policies.flatMap((policy) => acl.policy(policy) ?? []);
  return {
    AccessorID: id,
    SecretID: showsSecret ? secret : "<hidden>",
    Description: description,
    Policies: known.map((policy) => ({ ID: policy.id, Name: policy.name })),
    ...(serviceIdentities.length > 0 && {
      ServiceIdentities: serviceIdentities.map(({ serviceName, datacenters }) => ({
        ServiceName: serviceName,
        ...(datacenters.length > 0 && { Datacenters: datacenters }),
      })),
    }),
    ...(nodeIdentities.length > 0 && {
      NodeIdentities: nodeIdentities.map(({ nodeName, datacenter }) => ({
        NodeName: nodeName,
        Datacenter: datacenter,
      })),
    }),
    Local: local,
    CreateTime: new Date(createdAtMs).toISOString(),
    Hash: hashOf([description, ...policies, JSON.stringify([serviceIdentities, nodeIdentities])]),
    CreateIndex: Math.max(1, token.createIndex),
    ModifyIndex: Math.max(1, token.modifyIndex),
  };
}

/** @throws API_BAD_REQUEST */
export function readPolicy(body: BodyFields): PolicySpec {
  return {
    name: body.text("name") ?? "",
    description: body.text("description") ?? "",
    rules: body.text("rules") ?? "",
    datacenters: body.texts("datacenters") ?? [],
  };
}

/** What Heddle does not have is refused: a token that never ends where it should would be worse. @throws API_BAD_REQUEST */
export function readToken(acl: Acl, body: BodyFields): TokenSpec {
  for (const name of ["roles", "templatedpolicies"])
    if (body.list(name).length > 0) throw badRequest(`Invalid token: Heddle has no ${name}; use policies`);
  if ((body.durationMs("expirationttl") ?? 0) > 0 || body.text("expirationtime"))
    throw badRequest("Invalid token: Heddle's tokens do not expire; delete them");
  const id = body.text("accessorid");
  const secret = body.text("secretid");
  return {
    description: body.text("description") ?? "",
    policies: [...new Set(body.list("policies").map((link) => policyIdOf(acl, link)))],
    serviceIdentities: body.list("serviceidentities").map((one) => ({
      serviceName: one.text("servicename") ?? "",
      datacenters: one.texts("datacenters") ?? [],
    })),
    nodeIdentities: body.list("nodeidentities").map((one) => ({
      nodeName: one.text("nodename") ?? "",
      datacenter: one.text("datacenter") ?? "",
    })),
    local: body.boolean("local") ?? false,
    ...(id && { id }),
    ...(secret && { secret }),
  };
}

function policyIdOf(acl: Acl, link: BodyFields): string {
  const id = link.text("id");
  if (id) return id;
  const name = link.text("name") ?? "";
  const found = acl.policyNamed(name);
  if (!found) throw badRequest(`No such ACL policy with name ${JSON.stringify(name)}`);
  return found.id;
}

function hashOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64");
}

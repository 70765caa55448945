/**
 * `/v1/acl/…`: tokens and policies, where they are looked at. A token reads itself without any right; everything else
 * wants `acl = "read"` or `"write"`.
 */

import { FabricError } from "../../errors/index.ts";
import type { Access, RegistryReads, TokenEntry } from "../../registry/index.ts";
import { type ServerAcl, secretOf } from "../access/access.ts";
import { type ReadContext, readHeaders } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { policyJson, policyListJson, readPolicy, readToken, tokenJson } from "../json/acl-json.ts";
import { badRequest } from "../query.ts";
import { refuseUnsupported } from "../read-mode.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function aclRoutes(
  context: ReadContext,
  { writer }: ServerAcl,
  { acl }: Pick<RegistryReads, "acl">,
): readonly Route[] {
  const assert = (call: Call, access: Access) => {
    refuseUnsupported(call.query);
    call.rights().assert("acl", "", access);
  };
  const headers = () => readHeaders(context, context.registry.indexOf({ kind: "acl" }), "leader");
  const shown = (call: Call, token: TokenEntry) =>
    json(call, tokenJson(acl, token, call.rights().allows("acl", "", "write")), headers());

  const bootstrap = async (call: Call) => {
    const body = bodyOf(call);
    const made = await writer.bootstrap(body.text("bootstrapsecret") || undefined);
    return json(call, { ID: made.secret, ...tokenJson(acl, made, true) });
  };

  const listTokens = (call: Call) => {
    assert(call, "read");
    const showsSecret = call.rights().allows("acl", "", "write");
    const policy = call.query.get("policy");
    const all = acl.tokens().filter(({ policies }) => policy === "" || policies.includes(policy));
    return json(
      call,
      all.map((token) => tokenJson(acl, token, showsSecret)),
      headers(),
    );
  };

  const createToken = async (call: Call) => {
    assert(call, "write");
    const made = await writer.createToken(readToken(acl, bodyOf(call)));
    return json(call, tokenJson(acl, made, true));
  };

  const self = (call: Call) => {
    call.rights();
    const token = acl.tokenOfSecret(secretOf(call.request, call.query) || "anonymous");
    if (!token) throw unknown();
    return json(call, tokenJson(acl, token, true), headers());
  };

  const readOne = (call: Call) => {
    const id = argument(call, "Missing token AccessorID");
    assert(call, "read");
    const token = acl.token(id);
    if (!token) throw unknown();
    return shown(call, token);
  };

  /** What is not given keeps its description only where a token is copied; else it is what the body says. */
  const write = async (call: Call) => {
    assert(call, "write");
    const [id = "", verb, ...more] = call.rest.split("/");
    const body = bodyOf(call);
    if (verb === "clone" && more.length === 0) {
      const held = acl.token(id);
      if (!held) throw unknown();
      const { policies, serviceIdentities, nodeIdentities, local } = held;
      const description = body.text("description") ?? held.description;
      const made = await writer.createToken({
        description,
        policies,
        serviceIdentities,
        nodeIdentities,
        local,
      });
      return json(call, tokenJson(acl, made, true));
    }
    if (id === "" || verb !== undefined) throw badRequest("Missing token AccessorID");
    const named = body.text("accessorid");
    if (named && named !== id) throw badRequest("Token Accessor ID in URL and payload do not match");
    return json(call, tokenJson(acl, await writer.updateToken(id, readToken(acl, body)), true));
  };

  const deleteToken = async (call: Call) => {
    const id = argument(call, "Missing token AccessorID");
    assert(call, "write");
    await writer.deleteToken(id);
    return json(call, true);
  };

  const listPolicies = (call: Call) => {
    assert(call, "read");
    return json(
      call,
      acl.policies().map((policy) => {
        const { rules: _, ...listed } = policyListJson(policy);
        return listed;
      }),
      headers(),
    );
  };

  const createPolicy = async (call: Call) => {
    assert(call, "write");
    const body = bodyOf(call);
    if (body.text("id")) throw badRequest("Cannot specify the Policy ID when creating a new policy");
    return json(call, policyJson(await writer.createPolicy(readPolicy(body))));
  };

  const readPolicyBy = (find: (name: string) => ReturnType<typeof acl.policy>) => (call: Call) => {
    const name = argument(call, "Missing policy ID or name");
    assert(call, "read");
    const found = find(name);
    if (!found) throw noPolicy(name);
    return json(call, policyJson(found), headers());
  };

  const updatePolicy = async (call: Call) => {
    const id = argument(call, "Missing policy ID");
    assert(call, "write");
    const body = bodyOf(call);
    const named = body.text("id");
    if (named && named !== id) throw badRequest("Policy ID in URL and payload do not match");
    return json(call, policyJson(await writer.updatePolicy(id, readPolicy(body))));
  };

  const deletePolicy = async (call: Call) => {
    const id = argument(call, "Missing policy ID");
    assert(call, "write");
    await writer.deletePolicy(id);
    return json(call, true);
  };

  return [
    { path: "/v1/acl/bootstrap", methods: { PUT: bootstrap } },
    { path: "/v1/acl/tokens", methods: { GET: listTokens } },
    { path: "/v1/acl/token", methods: { PUT: createToken, POST: createToken } },
    { path: "/v1/acl/token/self", methods: { GET: self } },
    { path: "/v1/acl/token/*", methods: { GET: readOne, PUT: write, POST: write, DELETE: deleteToken } },
    { path: "/v1/acl/policies", methods: { GET: listPolicies } },
    { path: "/v1/acl/policy", methods: { PUT: createPolicy, POST: createPolicy } },
    { path: "/v1/acl/policy/name/*", methods: { GET: readPolicyBy((name) => acl.policyNamed(name)) } },
    {
      path: "/v1/acl/policy/*",
      methods: {
        GET: readPolicyBy((id) => acl.policy(id)),
        PUT: updatePolicy,
        POST: updatePolicy,
        DELETE: deletePolicy,
      },
    },
  ];
}

/** The body may be absent. */
function bodyOf({ request }: Call): BodyFields {
  return request.body.length === 0 ? BodyFields.of({}, "") : BodyFields.parse(request.body);
}

function unknown(): FabricError {
  return new FabricError("REGISTRY_TOKEN_UNKNOWN", "ACL not found: there is no such token");
}

function noPolicy(name: string): FabricError {
  return new FabricError("REGISTRY_POLICY_NOT_FOUND", "Requested policy does not exist: ACL not found", {
    details: { name },
  });
}

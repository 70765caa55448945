/**
 * Mesos-DNS's HTTP interface (mesos-dns/docs/http.md) on servers that were told so: `/v1/hosts`, `/v1/services`,
 * `/v1/enumerate`, `/v1/version`, `/v1/config`. None of them is a route of Consul's. What Mesos-DNS is configured
 * with and Heddle has no use for (masters, refreshing, resolvers) is shown empty.
 */
import type { SelfInfo } from "../agent/agent-backend.ts";
import type { MesosBackend } from "../mesos-backend.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function mesosRoutes(mesos: MesosBackend, self: SelfInfo): readonly Route[] {
  const { domain } = mesos;
  const config = {
    RefreshSeconds: 0,
    TTL: 0,
    Port: 53,
    Domain: domain,
    File: "",
    Masters: null,
    Zk: "",
    Resolvers: [],
    Timeout: 0,
    Listener: self.address,
    HTTPOn: true,
    DNSOn: true,
    ExternalOn: true,
    SOAMname: `ns1.${domain}.`,
    SOARname: `hostmaster.${domain}.`,
    RecurseOn: true,
    EnforceRFC952: false,
    IPSources: ["host"],
  };
  const version = { Service: "Heddle", Version: self.version, URL: "" };
  const hosts = async (call: Call) => {
    assertAll(call);
    return json(call, await mesos.hosts(argument(call, "name the host: /v1/hosts/HOST")));
  };
  const services = async (call: Call) => {
    assertAll(call);
    return json(call, await mesos.services(argument(call, "name the service: /v1/services/SERVICE")));
  };
  const enumerate = async (call: Call) => {
    assertAll(call);
    return json(call, await mesos.enumerate());
  };
  return [
    { path: "/v1/hosts/*", methods: { GET: hosts } },
    { path: "/v1/services/*", methods: { GET: services } },
    { path: "/v1/enumerate", methods: { GET: enumerate } },
    { path: "/v1/version", methods: { GET: (call) => json(call, version) } },
    { path: "/v1/config", methods: { GET: (call) => json(call, config) } },
  ];
}

/** Answers are made of the whole catalog, and are given to who may see the whole of it. */
function assertAll(call: Call): void {
  call.rights().assert("operator", "", "read");
}

import { afterAll, beforeAll } from "vitest";
import { ConsulStore } from "../../store/consul/consul-store.ts";
import { type ConsulApiServer, consulApiServer } from "../lab/consul-api-server.ts";
import { storeContract } from "./store.ts";

let server: ConsulApiServer;
const run = `contract-${process.pid}`;
let stores = 0;

beforeAll(async () => {
  server = await consulApiServer();
});

afterAll(() => server?.dispose());

storeContract(
  "consul",
  async (limits = {}) => {
    const prefix = `${run}-${stores++}/`;
    const store = await ConsulStore.open({ addresses: [server.address], prefix, limits });
    return {
      store,
      elapse: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      dispose: async () => {
        await store.close();
        await server.client.kv.del({ key: prefix, recurse: true });
      },
    };
  },
  { boundsTotal: false },
);

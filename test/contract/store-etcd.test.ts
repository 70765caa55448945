import { afterAll, beforeAll } from "vitest";
import { EtcdCluster } from "../lab/etcd-cluster.ts";
import { storeContract } from "./store.ts";

let cluster: EtcdCluster;
let stores = 0;

beforeAll(async () => {
  cluster = await EtcdCluster.start();
});

afterAll(() => cluster?.dispose());

storeContract(
  "etcd",
  async (limits = {}) => {
    const prefix = `contract-${stores++}/`;
    const store = await cluster.open(prefix, { limits });
    return {
      store,
      elapse: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      dispose: async () => {
        await store.close();
        cluster.ctl(["del", "--prefix", prefix]);
      },
    };
  },
  { boundsTotal: false },
);

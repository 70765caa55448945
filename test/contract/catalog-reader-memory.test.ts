/** The catalog in memory keeps the contract of all catalog readers. */

import { MemoryCatalog } from "../../dns/index.ts";
import { catalogReaderContract } from "./catalog-reader.ts";

catalogReaderContract("memory", async () => {
  const catalog = new MemoryCatalog("dc1");
  return {
    reader: catalog,
    datacenter: "dc1",
    putNode: async (node) => {
      catalog.setNode(node.name, node);
      for (const ip of node.addresses)
        catalog.setReverse(ip, [{ kind: "node", name: node.name, datacenter: "dc1" }]);
    },
    putInstance: async (service, instance) => catalog.setService(service, [instance]),
    removeService: async (service) => catalog.setService(service, undefined),
    stop: async () => {},
  };
});

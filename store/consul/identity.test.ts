import { expect, it } from "vitest";
import { encodeStoreRecord } from "../core/store-record.ts";
import { identify } from "./identity.ts";

const keys = { store: "heddle/store", prefix: "heddle/" };
const record = encodeStoreRecord({ id: "theirs", history: "" }).toString();

/** Consul's keys as they are after the first look, which found none. */
function meanwhile(later: Readonly<Record<string, string>>) {
  const held = new Map<string, string>();
  return {
    get: async (key: string) => {
      const value = held.get(key);
      for (const [name, text] of Object.entries(later)) held.set(name, text);
      return value;
    },
    keys: async () => [...held.keys()],
    create: async (key: string, value: string) => {
      if (held.has(key)) return false;
      held.set(key, value);
      return true;
    },
  };
}

it("identify() takes the record that another server made, and wrote beside, since the first look", async () => {
  const api = meanwhile({ "heddle/store": record, "heddle/log/1": "{}" });
  expect(await identify(api, keys, () => "ours")).toBe("theirs");
});

it("identify() makes the record of a prefix without keys", async () => {
  expect(await identify(meanwhile({}), keys, () => "ours")).toBe("ours");
});

it("identify() refuses keys without a record", async () => {
  const api = meanwhile({ "heddle/strange": "somebody's" });
  await expect(identify(api, keys, () => "ours")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
});

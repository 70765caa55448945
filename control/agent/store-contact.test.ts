import { expect, test } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { StoreContact } from "./store-contact.ts";

test("a server has lost its store from the first word of it until a heartbeat comes alone", async () => {
  const clock = new ManualClock();
  const contact = new StoreContact(clock);
  expect([contact.heartbeat(), contact.silentMs]).toEqual([false, undefined]);
  expect(contact.lost(5000)).toBe(true);
  expect(contact.heartbeat()).toBe(false);
  await clock.advance(1000);
  expect([contact.lost(6000), contact.silentMs]).toEqual([false, 6000]);
  expect(contact.heartbeat()).toBe(false);
  expect(contact.heartbeat()).toBe(true);
  expect(contact.silentMs).toBeUndefined();
});

test("what one server said counts for no other", () => {
  const contact = new StoreContact(new ManualClock());
  contact.lost(5000);
  contact.reset();
  expect([contact.silentMs, contact.heartbeat()]).toEqual([undefined, false]);
});

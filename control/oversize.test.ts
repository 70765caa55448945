import { afterEach, expect, test } from "vitest";
import { service, TestFabric } from "../test/control/fabric.ts";
import { waitFor } from "../test/lab/command.ts";

let fabric: TestFabric;
afterEach(() => fabric.close());

test("registrations that no message can carry are refused by name, and cost the node neither its session nor its views", async () => {
  fabric = new TestFabric();
  const { address, registry } = await fabric.server();
  const meta = { text: "x".repeat(4000) };
  let services = Array.from({ length: 2500 }, (_, n) => service("n1", `web-${n}`, { meta }));
  const listeners = new Set<() => void>();
  const { client, events } = fabric.agent([address], {
    registrations: {
      registrations: () => ({ services, checks: [] }),
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
  });
  await waitFor(
    "the refusal",
    () =>
      events.some((event) => event.kind === "failed" && String(event.error).includes("registrations")) ||
      undefined,
  );
  await expect(client.flushRegistrations()).rejects.toMatchObject({ code: "CONTROL_LIMIT" });
  const view = client.subscribe("node/n1");
  await view.whenReady(AbortSignal.timeout(5000));
  expect(events.filter(({ kind }) => kind === "disconnected")).toEqual([]);
  services = services.slice(0, 10);
  for (const listener of listeners) listener();
  await client.flushRegistrations();
  await waitFor("the catalog", () => registry.servicesOfNode(client.node.name).length === 10 || undefined);
});

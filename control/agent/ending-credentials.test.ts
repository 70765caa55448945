import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { expect, it, vi } from "vitest";
import { endingWithChannel } from "./ending-credentials.ts";

/** grpc-js waits for a second, more or less a fifth, after the first refusal. */
const backoffEndedMs = 1400;

it("a channel that was closed while it waited to try again makes no connection any more", async () => {
  const place = createServer();
  await once(place.listen(0, "127.0.0.1"), "listening");
  const { port } = place.address() as AddressInfo;
  await new Promise((resolve) => place.close(resolve));
  const client = new Client(`127.0.0.1:${port}`, endingWithChannel(credentials.createInsecure()), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const startedMs = performance.now();
  await expect(
    new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 200, (error) => (error ? reject(error) : resolve()));
    }),
  ).rejects.toThrow();
  client.close();
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  await once(server.listen(port, "127.0.0.1"), "listening");
  await vi.waitFor(() => expect(performance.now() - startedMs).toBeGreaterThan(backoffEndedMs), {
    timeout: 5000,
  });
  expect(sockets).toEqual([]);
  await new Promise((resolve) => server.close(resolve));
});

/** Servers that gather a lost address plan let no node in before they heard what it holds: it states that beside a session. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ControlClientLimits } from "../limits.ts";
import { RestateRequestSchema } from "../proto/gen/fabric_pb.ts";
import type { Channel } from "./channel.ts";

type Statement = Pick<MessageInitShape<typeof RestateRequestSchema>, "node" | "hello" | "statement">;

export const restateAction = "state what this node holds";

/** Closes the channel. @throws what the server answered with, CONTROL_UNAVAILABLE, CONTROL_TIMEOUT, the signal's reason */
export async function restate(
  channel: Channel,
  statement: Statement,
  { callTimeoutMs, handshakeTimeoutMs }: ControlClientLimits,
  signal: AbortSignal,
): Promise<void> {
  try {
    await channel.reached(handshakeTimeoutMs);
    const request = create(RestateRequestSchema, statement);
    await channel.call("restate", request, { action: restateAction, timeoutMs: callTimeoutMs, signal });
  } finally {
    channel.close();
  }
}

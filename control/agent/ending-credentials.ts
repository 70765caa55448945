/**
 * Credentials whose connections end with their channel. grpc-js has one flaw here: a channel that is closed while it waits
 * to try again tries once more when that wait is over, and holds the connection for good, used by nobody. Agents that
 * look for a server which is down would come back each with several; so no attempt begins after the close.
 */
import type { ChannelCredentials } from "@grpc/grpc-js";
import { FabricError } from "../../errors/index.ts";

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

export function endingWithChannel(channel: ChannelCredentials): ChannelCredentials {
  const create: ChannelCredentials["_createSecureConnector"] = (target, options, calls) =>
    ending(channel._createSecureConnector(target, options, calls));
  return Object.create(channel, { _createSecureConnector: { value: create } }) as ChannelCredentials;
}

function ending(connector: Connector): Connector {
  let ended = false;
  return {
    waitForReady: () => (ended ? Promise.reject(closed()) : connector.waitForReady()),
    connect: (socket) => connector.connect(socket),
    getCallCredentials: () => connector.getCallCredentials(),
    destroy: () => {
      ended = true;
      connector.destroy();
    },
  };
}

function closed(): FabricError {
  return new FabricError(
    "CONTROL_CLOSED",
    "connect: the channel was closed; the client opens another one by itself",
  );
}

/** Bounds and paces of the control protocol, each with its default. Times in milliseconds. */
export interface ControlServerLimits {
  /** Agents connected at one time. */
  readonly sessionsMax: number;
  /** Connections in plain text that wait to be accepted, as all agents do after a restart; the kernel cuts it to its somaxconn. */
  readonly acceptQueueMax: number;
  /** Connections over TCP between their acceptance and the welcome of their agent; the others wait unread. */
  readonly enteringMax: number;
  readonly knocksWaitingMax: number;
  /** Who waited longer is sent away. Below the patience of agents, `handshakeTimeoutMs`. */
  readonly knockWaitMs: number;
  /** A connection whose agent is not welcomed in this time makes room for the next. */
  readonly enterMs: number;
  /** Agents that join at one time; the others wait in order of arrival. */
  readonly joinsMax: number;
  /** One message in either direction. */
  readonly messageMaxBytes: number;
  /** Bytes handed to one agent's connection and not yet taken by it; what changes meanwhile is merged. */
  readonly sendWindowBytes: number;
  /** A long view update travels in parts of about this size. */
  readonly viewPartBytes: number;
  readonly viewsPerAgentMax: number;
  /** Views that the server computes at one time, for all agents. */
  readonly viewsOpenMax: number;
  /** Keys in the view of one subtree of the key/value store; a larger one says so and holds none. */
  readonly viewKeysMax: number;
  /** A larger value is left out of such a view. */
  readonly viewKeyBytesMax: number;
  /** A view without subscribers is kept so long, for agents that reconnect. */
  readonly viewLingerMs: number;
  /** Views without subscribers that are kept at one time. */
  readonly viewsLingeringMax: number;
  /** Changes of a view that are kept for agents to resume or to lag; beyond, they get a snapshot. */
  readonly historyChangesMax: number;
  readonly historyItemsMax: number;
  /** Longest wait for this server to reach the revision that an agent has seen elsewhere. */
  readonly catchUpMs: number;
  /** Unary calls under way: of one agent, and of all. */
  readonly callsPerAgentMax: number;
  readonly callsMax: number;
  /** Registration messages of one agent that wait for the store. */
  readonly registrationsPendingMax: number;
  /** Time of a new connection to open a stream, and of a new stream to say hello. */
  readonly helloTimeoutMs: number;
  /** Between two heartbeats of an agent, at most. */
  readonly heartbeatIntervalMs: number;
  /** The same, at least: how often the agents of a server that has few of them beat. */
  readonly heartbeatMinMs: number;
  /** Heartbeats of all agents in a second, about, above which those that come later beat more slowly. */
  readonly heartbeatsPerSecond: number;
  /** Silence after which a session is over; an agent that knows another server waits less (`silenceMinMs`). */
  readonly deadAfterMs: number;
  /** TTL of the lease that `live/<node>` hangs on. */
  readonly liveTtlMs: number;
  /** After a restart of the only server, nodes that were alive are kept alive for so long for each of them, */
  readonly returnPerNodeMs: number;
  /** and no longer than this. */
  readonly returnMaxMs: number;
  /** Longest time between two renewals of a node's term; at most a tenth of what the node was promised. */
  readonly renewEveryMs: number;
  /** How long the other nodes have to give empty blocks back before a pool is reported as full. */
  readonly emptyBlocksWaitMs: number;
}

export const controlServerLimits: ControlServerLimits = {
  sessionsMax: 20_000,
  acceptQueueMax: 4096,
  enteringMax: 128,
  knocksWaitingMax: 16_384,
  knockWaitMs: 4000,
  enterMs: 2000,
  joinsMax: 64,
  messageMaxBytes: 8 * 1024 * 1024,
  sendWindowBytes: 1024 * 1024,
  viewPartBytes: 256 * 1024,
  viewsPerAgentMax: 10_000,
  viewsOpenMax: 100_000,
  viewKeysMax: 1024,
  viewKeyBytesMax: 4096,
  viewLingerMs: 60_000,
  viewsLingeringMax: 4096,
  historyChangesMax: 256,
  historyItemsMax: 8192,
  catchUpMs: 5000,
  callsPerAgentMax: 1024,
  callsMax: 20_000,
  registrationsPendingMax: 4,
  helloTimeoutMs: 10_000,
  heartbeatIntervalMs: 2000,
  heartbeatMinMs: 250,
  heartbeatsPerSecond: 200,
  deadAfterMs: 6000,
  liveTtlMs: 10_000,
  returnPerNodeMs: 5,
  returnMaxMs: 60_000,
  renewEveryMs: 600_000,
  emptyBlocksWaitMs: 500,
};

export interface ControlClientLimits {
  readonly messageMaxBytes: number;
  readonly viewsMax: number;
  /** How long a change of a view other than `fabric` may wait before the cache has it. */
  readonly viewSaveDelayMs: number;
  /** How often the cache learns that all views are current. */
  readonly viewStampMs: number;
  /** Wait before a view is asked for again that the server could not read from its store. */
  readonly viewRetryMs: number;
  /** Unary calls under way. */
  readonly callsMax: number;
  /** Time to reach a server's machine before the next one is tried. */
  readonly connectTimeoutMs: number;
  /** Silence of a server that is to be reached until the next one is tried beside it; up to as much is added at random. */
  readonly hedgeMs: number;
  /** Time to reach the server itself: it may have all its agents to let in. */
  readonly handshakeTimeoutMs: number;
  /** Time of a reached server to welcome: it writes to the store meanwhile. */
  readonly welcomeTimeoutMs: number;
  /** Wait after all servers failed: doubled each time, with jitter. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** A connection that was lost after less counts as failed. */
  readonly stableAfterMs: number;
  /**
   * Silence of a server after which another one is tried, if there is one: at least so long, one and a half heartbeats, and
   * twice as long after each time that it came to this, up to half of the server's `deadAfterMs`.
   */
  readonly silenceMinMs: number;
  /** A connection that stood so long makes an agent as impatient again as it was. */
  readonly calmAfterMs: number;
  /** Longest block or static claim. */
  readonly callTimeoutMs: number;
  /** Longest forwarded HTTP request, unless its caller says otherwise: Consul's longest blocking query and its jitter. */
  readonly httpTimeoutMs: number;
  /** Time between two comparisons of the registrations with the server's; up to a quarter is added at random. */
  readonly antiEntropyMs: number;
  /** Services and checks of this node in one message, as JSON. */
  readonly registrationsMaxBytes: number;
  /** Wait after a registration was refused: doubled each time. */
  readonly registrationRetryMinMs: number;
  readonly registrationRetryMaxMs: number;
}

export const controlClientLimits: ControlClientLimits = {
  messageMaxBytes: 8 * 1024 * 1024,
  viewsMax: 10_000,
  viewSaveDelayMs: 1000,
  viewStampMs: 30_000,
  viewRetryMs: 1000,
  callsMax: 1024,
  connectTimeoutMs: 1000,
  hedgeMs: 200,
  handshakeTimeoutMs: 5000,
  welcomeTimeoutMs: 10_000,
  backoffMinMs: 250,
  backoffMaxMs: 10_000,
  stableAfterMs: 1000,
  silenceMinMs: 750,
  calmAfterMs: 60_000,
  callTimeoutMs: 5000,
  httpTimeoutMs: 660_000,
  antiEntropyMs: 60_000,
  registrationsMaxBytes: 7 * 1024 * 1024,
  registrationRetryMinMs: 1000,
  registrationRetryMaxMs: 15_000,
};

/**
 * Ends the sessions whose time is over, whose node is gone or whose checks failed, and finishes those that were
 * ending when a server stopped.
 */
import { Keeper, type KeeperOptions } from "../keeper.ts";
import type { RegistryWrites } from "../writes.ts";
import { whyInvalid } from "./plan-session.ts";

export function keepSessions(options: KeeperOptions<Pick<RegistryWrites, "endSession">>): Keeper {
  const { registry, writer } = options;
  const ids = (sessions: readonly { readonly id: string }[]) => sessions.map(({ id }) => id);
  return new Keeper(options, {
    all: () => ids(registry.sessions()),
    touchedBy: (topic) => {
      const [kind, subject] = split(topic);
      if (kind === "sessionEnd") return [subject];
      return kind === "nodeChecks" ? ids(registry.sessionsOfNode(subject)) : [];
    },
    isDue: (id) => {
      const session = registry.session(id);
      if (!session) return false;
      const outOfTime = session.lease !== undefined && !registry.sessionHasTime(id);
      return session.ending || outOfTime || whyInvalid(registry, session) !== undefined;
    },
    end: (id) => writer.endSession(id),
  });
}

function split(topic: string): readonly [kind: string, subject: string] {
  const colon = topic.indexOf(":");
  return [topic.slice(0, Math.max(colon, 0)), topic.slice(colon + 1)];
}

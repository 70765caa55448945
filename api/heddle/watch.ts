/** `/v1/heddle/watch/…`: streams of changes of keys and of the catalog. */
import * as z from "zod";
import { changePath } from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { type ApiResponse, empty } from "../request.ts";
import type { Call } from "../route.ts";
import { type EventSource, type Followed, openEventStream } from "./event-stream.ts";
import { type Operation, operation } from "./operation.ts";
import {
  checkOf,
  checkShape,
  instanceOf,
  instanceShape,
  kvOf,
  kvShape,
  nodeOf,
  nodeShape,
} from "./shapes.ts";

const headers = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

const query = z.strictObject({
  since: z
    .string()
    .max(64)
    .exactOptional()
    .describe(
      "The id of the last event that was seen, a revision, or `now`. Without, the stream begins with an event `current` for each thing that there is, and `synced`. The header Last-Event-ID means the same and wins.",
    ),
});

const streamed = {
  description:
    "Events `current`, `synced`, `add`, `modify`, `delete`, `expire`, `compacted`, each with JSON as data; comments as heartbeats.",
  mediaType: "text/event-stream",
};

export function watchOperations(source: EventSource): readonly Operation[] {
  const watch = (
    {
      events,
      ...spec
    }: Pick<Operation, "id" | "path" | "summary" | "argument"> & {
      readonly events: z.ZodType;
    },
    followed: (rest: string, reads: ContentReads) => Followed,
  ) =>
    operation({
      ...spec,
      method: "GET",
      needs: "guarded",
      query,
      answers: { 200: { ...streamed, events } },
      handle: async (call: Call, { query: { since } }): Promise<ApiResponse> => {
        if (call.request.method === "HEAD") return empty(200, headers);
        return {
          status: 200,
          headers,
          body: await openEventStream(source, followed(call.rest, source.reads(call)), call, since),
        };
      },
    });
  return [
    watch(
      {
        id: "watchKeys",
        path: "/v1/heddle/watch/kv/{prefix}",
        summary: "Changes of keys under a prefix. `expire`: its TTL was over, the key is gone.",
        argument: { description: "Prefix of keys; empty for all.", mayBeEmpty: true },
        events: kvShape,
      },
      (prefix, reads) => ({
        prefix: changePath.kv(prefix),
        now: () => reads.kvList(prefix).values().map(kvOf),
        shape,
      }),
    ),
    watch(
      {
        id: "watchServices",
        path: "/v1/heddle/watch/services",
        events: instanceShape,
        summary: "Changes of all service instances, their health included.",
      },
      (_rest, reads) => instances(reads, undefined),
    ),
    watch(
      {
        id: "watchService",
        path: "/v1/heddle/watch/services/{service}",
        summary:
          "Changes of one service's instances. `expire`: its node is no longer alive, it stands as critical.",
        argument: { description: "Name of the service." },
        events: instanceShape,
      },
      (name, reads) => instances(reads, name),
    ),
    watch(
      {
        id: "watchNodes",
        path: "/v1/heddle/watch/nodes",
        events: nodeShape,
        summary: "Changes of nodes and of their liveness.",
      },
      (_rest, reads) => nodes(reads, undefined),
    ),
    watch(
      {
        id: "watchNode",
        path: "/v1/heddle/watch/nodes/{node}",
        summary: "Changes of one node. `expire`: it is no longer alive.",
        argument: { description: "Name of the node." },
        events: nodeShape,
      },
      (name, reads) => nodes(reads, name),
    ),
    watch(
      {
        id: "watchChecks",
        path: "/v1/heddle/watch/checks",
        events: checkShape,
        summary: "Changes of all checks.",
      },
      (_rest, reads) => checks(reads, undefined),
    ),
    watch(
      {
        id: "watchChecksOfNode",
        path: "/v1/heddle/watch/checks/{node}",
        summary: "Changes of the checks on one node, those of its services included.",
        argument: { description: "Name of the node." },
        events: checkShape,
      },
      (name, reads) => checks(reads, name),
    ),
  ];
}

const shape: Followed["shape"] = (subject) => {
  switch (subject.kind) {
    case "kv":
      return kvOf(subject.entry);
    case "node":
      return nodeOf(subject.node, subject.alive);
    case "check":
      return checkOf(subject.check);
    case "instance":
      return instanceOf(subject.instance);
    default:
      return subject satisfies never;
  }
};

function instances(reads: ContentReads, name: string | undefined): Followed {
  const names = () => (name === undefined ? [...reads.serviceNames().keys()] : [name]);
  return {
    prefix: changePath.services(name),
    now: () => {
      const found = names().flatMap((each) => reads.service(each));
      return found.values().map(instanceOf);
    },
    shape,
  };
}

function nodes(reads: ContentReads, name: string | undefined): Followed {
  const found = () => (name === undefined ? reads.nodes() : [reads.node(name)].filter((one) => !!one));
  return {
    prefix: changePath.nodes(name),
    now: () => found().map((node) => nodeOf(node, reads.isLive(node.name))),
    shape,
  };
}

function checks(reads: ContentReads, node: string | undefined): Followed {
  return {
    prefix: changePath.checks(node),
    now: () => (node === undefined ? reads.checksInState("any") : reads.checksOfNode(node)).map(checkOf),
    shape,
  };
}

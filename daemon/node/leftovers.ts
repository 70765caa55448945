/**
 * What an agent finds in its journal at start that must not stay: a container that ended while nobody looked, as
 * at a reboot (its namespace and its host link are both gone), and an endpoint whose lease went with an earlier
 * term before the endpoint could be detached. Its address may belong to another node by now.
 */
import type { Endpoint, EndpointRef } from "../../plugins/index.ts";

export interface Surroundings {
  /** Whether the owner still holds every one of its addresses. */
  readonly isLeased: (endpoint: Extract<Endpoint, { phase: "attached" }>) => boolean;
  readonly linkNames: ReadonlySet<string>;
  readonly netnsExists: (path: string) => boolean;
}

export function leftovers(endpoints: readonly Endpoint[], around: Surroundings): readonly EndpointRef[] {
  return endpoints.filter((endpoint) => isLeftover(endpoint, around)).map(({ request }) => request);
}

function isLeftover(endpoint: Endpoint, { isLeased, linkNames, netnsExists }: Surroundings): boolean {
  switch (endpoint.phase) {
    // The runtime repeats or deletes the one; the endpoint service finishes the other.
    case "attaching":
    case "detaching":
      return false;
    case "attached": {
      const { link } = endpoint;
      const isGone = link !== undefined && !netnsExists(link.netns) && !linkNames.has(link.hostIfname);
      return isGone || !isLeased(endpoint);
    }
    default:
      return endpoint satisfies never;
  }
}

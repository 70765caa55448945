/** Those of a service's instances that may be named, at the asked port, and the part of them that one client is given. */
import { type Ip, isLoopback } from "../../../addr/index.ts";
import { instanceKey, type ServiceInstance } from "../catalog/catalog-reader.ts";
import type { ResolverOptions } from "../resolver-options.ts";
import { type Asking, atPort } from "./asking.ts";
import { isNamed, judgeInstances } from "./instances.ts";
import { serviceSetting } from "./service-settings.ts";
import { stableSubset } from "./stable-subset.ts";

export interface Chosen {
  readonly usable: readonly ServiceInstance[];
  readonly part: readonly ServiceInstance[];
}

export function chooseInstances(
  { health, subset, onChoice }: Pick<ResolverOptions, "health" | "subset" | "onChoice">,
  all: readonly ServiceInstance[],
  asking: Asking,
  client: Ip | undefined,
): Chosen {
  const instances = all.map((instance) => atPort(instance, asking));
  const judgement = judgeInstances(instances, asking, health);
  const usable = instances.filter((instance) => isNamed(judgement.verdicts.get(instance)));
  const count = serviceSetting(instances, "subset") ?? subset.instancesMax;
  const who = client === undefined || isLoopback(client) ? subset.node : client;
  const part = stableSubset(usable, Math.floor(count), who, instanceKey);
  onChoice?.({ judgement, named: part });
  return { usable, part };
}

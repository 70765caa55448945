/** The registrations that are the registrar's: marked in their meta, of whichever engine this node had. */
import type { ServiceRecord } from "../../../registry/index.ts";
import { ownership } from "./plan.ts";
import type { OwnedService } from "./step.ts";

export function isOwned({ meta }: Pick<ServiceRecord, "meta">): boolean {
  return (meta[ownership.source] ?? "").startsWith("docker:") && meta[ownership.container] !== undefined;
}

export function ownedServices(services: readonly ServiceRecord[]): readonly OwnedService[] {
  return services.filter(isOwned).map(({ id, meta }) => ({
    serviceId: id,
    containerId: meta[ownership.container] ?? "",
    digest: meta[ownership.digest] ?? "",
  }));
}

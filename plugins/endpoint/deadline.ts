/** An answer or an error in time: what was begun goes on, but nobody waits for it any longer. */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";

/** @throws ENDPOINT_DEADLINE after `deadlineMs`, right after calling `onExpire` */
export function withinDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  what: string,
  work: Promise<T>,
  onExpire: () => void = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(deadlineMs, () => {
      onExpire();
      reject(
        new FabricError("ENDPOINT_DEADLINE", `${what}: not done within ${deadlineMs} ms; try again later`),
      );
    });
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

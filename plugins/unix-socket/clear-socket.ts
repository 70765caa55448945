/** Makes room for a unix socket: a socket that nobody answers on was left by an agent that is no more. */
import { lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { type ErrorCode, FabricError } from "../../errors/index.ts";

/** @throws `code` when another process answers there or the path is something else */
export async function clearSocket(path: string, code: ErrorCode): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) {
    throw new FabricError(code, `listen at ${path}: there is something that is not a socket; move it away`);
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
  if (answered) throw new FabricError(code, `listen at ${path}: another agent answers there; stop it first`);
  rmSync(path, { force: true });
}

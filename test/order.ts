/**
 * The order of test files: those that take longest begin first, so that no core waits for one long file in the end. Vitest
 * knows the times of an earlier run, and in a new clone only sizes.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than 20 s, the longest first. */
export const longest: readonly string[] = [
  "test/e2e/docker-restarts-engine.test.ts",
  "test/e2e/docker-restarts-elsewhere.test.ts",
  "test/e2e/docker-restarts.test.ts",
  "test/e2e/docker.test.ts",
  "test/chaos/simulation/simulation.test.ts",
  "test/chaos/etcd-faults.test.ts",
  "test/e2e/compose.test.ts",
  "test/e2e/registrar.test.ts",
  "test/e2e/recovery.test.ts",
  "test/chaos/lab/lab.test.ts",
  "test/e2e/container-names.test.ts",
  "test/e2e/authority.test.ts",
  "test/chaos/etcd-stalled-watch.test.ts",
  "test/chaos/consul-faults.test.ts",
  "test/e2e/servers.test.ts",
  "test/e2e/https.test.ts",
  "test/e2e/names.test.ts",
  "test/e2e/cli.test.ts",
];

/** Then all others of these folders, which mostly wait for processes. */
const slow = ["test/e2e/", "test/chaos/", "test/conformance/", "test/contract/"];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(this.#path(a)) - rank(this.#path(b)));
  }

  #path({ moduleId }: TestSpecification): string {
    return relative(this.ctx.config.root, moduleId);
  }
}

function rank(path: string): number {
  const at = longest.indexOf(path);
  if (at >= 0) return at;
  return longest.length + (slow.some((folder) => path.startsWith(folder)) ? 0 : 1);
}

/** What a node knows of Docker's chain for others' rules, as of the last look: see nft/user-chain.ts. */
import type { Kernel, NftTopic } from "../../kernel/index.ts";
import {
  hasUserChain,
  userChainCommands,
  userChainFamilies,
  userChainRemoval,
  userChainTable,
} from "../nft/index.ts";
import { type Problem, problemOf } from "../problem.ts";

/** Told by the kernel when somebody changes the tables that the chain is in. */
export const userChainTopics = userChainFamilies.map((family): NftTopic => `nft ${family} ${userChainTable}`);

export class UserChain {
  readonly #kernel: Kernel;
  /** Commands that bring our rules in. */
  missing: readonly unknown[] = [];
  /** Commands that take them out. */
  removal: readonly unknown[] = [];
  /** Docker forwards on this host. */
  isThere = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  async look(): Promise<Problem[]> {
    this.settled();
    try {
      const listed = await Promise.all(
        userChainFamilies.map((family) => this.#kernel.nftTable(family, userChainTable)),
      );
      this.missing = userChainFamilies.flatMap((family, i) => userChainCommands(family, listed[i]));
      this.removal = userChainFamilies.flatMap((family, i) => userChainRemoval(family, listed[i]));
      this.isThere = listed.some((objects) => hasUserChain(objects));
      return [];
    } catch (error) {
      return [problemOf(`nft table ${userChainTable}`, error)];
    }
  }

  /** The commands were given to the kernel: not again before the next look. */
  settled(): void {
    this.missing = [];
    this.removal = [];
  }
}

/** Watches the packets that pass an interface, as tcpdump reads them: one line each. */
import { Background, waitFor } from "./command.ts";

export class Sniffer {
  readonly #tcpdump: Background;

  /** Resolves when no packet can be missed any more. */
  static async start(netns: string, link: string, filter: string, ...options: string[]): Promise<Sniffer> {
    const enter = ["nsenter", `--net=${netns}`];
    const sniffer = new Sniffer(
      new Background([...enter, "tcpdump", "-i", link, "-n", "-l", "--immediate-mode", ...options, filter]),
    );
    await waitFor("tcpdump to listen", () => sniffer.#tcpdump.stderr.includes("listening on") || undefined);
    return sniffer;
  }

  private constructor(tcpdump: Background) {
    this.#tcpdump = tcpdump;
  }

  get lines(): readonly string[] {
    return this.#tcpdump.stdout.split("\n").filter((line) => line !== "");
  }

  /** Resolves with the first packet whose line has the text. */
  seen(text: string): Promise<string> {
    return waitFor(`a packet "${text}"`, () => this.lines.find((line) => line.includes(text)));
  }

  async stop(): Promise<void> {
    await this.#tcpdump.stop();
  }
}

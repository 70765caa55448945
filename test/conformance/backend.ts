/** Instances of a service for programs that balance or scrape: HTTP servers of the test's own process, one an address. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";

/** A little later than at once, so that requests are under way when the set of instances changes. */
const answerMs = 5;

export class Backend {
  readonly address: string;
  readonly port: number;
  served = 0;
  readonly #server: Server;

  static async listen(address: string, port: number): Promise<Backend> {
    const backend = new Backend(address, port);
    backend.#server.listen(port, address);
    await once(backend.#server, "listening");
    return backend;
  }

  private constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
    this.#server = createServer((_, response) => {
      this.served++;
      setTimeout(() => response.end(`${address}\n`), answerMs);
    });
  }

  /** Every connection ends at once: whoever still sends requests here sees them fail. */
  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

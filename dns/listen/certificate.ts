/**
 * Certificate and key of DNS over TLS, from files. They are looked at again now and then, so a renewed certificate
 * is used without a restart; a pair that cannot be used is reported, and the one before it stays.
 */
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";

export interface CertificateFiles {
  /** PEM: the server's certificate, then those between it and the root. */
  readonly certFile: string;
  /** PEM, without a pass phrase. */
  readonly keyFile: string;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

export class Certificate {
  readonly #files: CertificateFiles;
  readonly #refreshMs: number;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #used: Pair | undefined;
  #failed: Pair | undefined;
  #timer: Timer | undefined;

  constructor(files: CertificateFiles, refreshMs: number, clock: Clock, onFailure: (error: unknown) => void) {
    this.#files = files;
    this.#refreshMs = refreshMs;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** Reads the files, and calls `apply` with each later pair until `stop`. @throws DNS_TLS_FAILED */
  start(apply: (pair: Pair) => void): Pair {
    this.stop();
    const pair = this.#read();
    this.#context(pair);
    this.#used = pair;
    this.#arm(apply);
    return pair;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(apply: (pair: Pair) => void): void {
    this.#timer = this.#clock.setTimer(this.#refreshMs, () => {
      this.#look(apply);
      this.#arm(apply);
    });
  }

  #look(apply: (pair: Pair) => void): void {
    let pair: Pair | undefined;
    try {
      pair = this.#read();
      if (isSame(pair, this.#used) || isSame(pair, this.#failed)) return;
      this.#context(pair);
      this.#used = pair;
      apply(pair);
    } catch (error) {
      this.#failed = pair;
      this.#onFailure(error);
    }
  }

  #read(): Pair {
    const { certFile, keyFile } = this.#files;
    try {
      return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
    } catch (cause) {
      throw this.#unusable(cause);
    }
  }

  /** Fails where the two do not belong together, too. */
  #context(pair: Pair): SecureContext {
    try {
      return createSecureContext(pair);
    } catch (cause) {
      throw this.#unusable(cause);
    }
  }

  #unusable(cause: unknown): FabricError {
    const { certFile, keyFile } = this.#files;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new FabricError(
      "DNS_TLS_FAILED",
      `use ${certFile} and ${keyFile} for DNS over TLS: ${why}; give a PEM certificate and its key`,
      { cause, details: { certFile, keyFile } },
    );
  }
}

function isSame(one: Pair, other: Pair | undefined): boolean {
  return one.cert === other?.cert && one.key === other.key;
}

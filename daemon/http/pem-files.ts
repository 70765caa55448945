/**
 * Certificates that an operator keeps in files. They are looked at again now and then, and when told to, so a renewed one
 * is used without a restart; what cannot be used is reported once, and what was read before stays.
 */
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { ServingCertificate } from "../../api/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";

/** Paths. */
export interface PemPaths {
  readonly cert?: string;
  readonly key?: string;
  readonly clientAuthority?: string;
}

/** How often the files are looked at. */
export const httpsRefreshMs = 10_000;

export class PemFiles {
  readonly #paths: PemPaths;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #listeners = new Set<() => void>();
  #used: Partial<ServingCertificate>;
  #failure = "";
  #timer: Timer | undefined;

  /** @throws DAEMON_TLS_FAILED */
  constructor(paths: PemPaths, clock: Clock, onFailure: (error: unknown) => void) {
    this.#paths = paths;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#used = read(paths);
    this.#arm();
  }

  get current(): Partial<ServingCertificate> {
    return this.#used;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files now. */
  reload(): void {
    try {
      const found = read(this.#paths);
      this.#failure = "";
      if (JSON.stringify(found) === JSON.stringify(this.#used)) return;
      this.#used = found;
      for (const listener of this.#listeners) listener();
    } catch (error) {
      const failure = String(error);
      if (failure !== this.#failure) this.#onFailure(error);
      this.#failure = failure;
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(httpsRefreshMs, () => {
      this.reload();
      this.#arm();
    });
  }
}

/** All of them, or none: a certificate without its key is of no use. @throws DAEMON_TLS_FAILED */
function read({ cert, key, clientAuthority }: PemPaths): Partial<ServingCertificate> {
  const own = cert !== undefined && key !== undefined && { cert: text(cert), key: text(key) };
  if (own)
    check(
      `${cert} and ${key}`,
      own,
      "give a PEM certificate and the key that belongs to it, without a pass phrase",
    );
  if (clientAuthority === undefined) return { ...own };
  const ca = text(clientAuthority);
  // An empty list would be the system's.
  if (!ca.includes("-----BEGIN CERTIFICATE-----"))
    throw unusable(clientAuthority, "it holds no certificate", "give certificates in PEM");
  check(clientAuthority, { ca }, "give certificates in PEM");
  return { ...own, clientAuthority: ca };
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw unusable(path, errno, "give a file that this process may read", cause);
  }
}

/** OpenSSL's own judgement: whether it can be read, and whether key and certificate fit. */
function check(what: string, pem: Parameters<typeof createSecureContext>[0], advice: string): void {
  try {
    createSecureContext(pem);
  } catch (cause) {
    throw unusable(what, cause instanceof Error ? cause.message : String(cause), advice, cause);
  }
}

function unusable(what: string, why: string, advice: string, cause?: unknown): FabricError {
  return new FabricError("DAEMON_TLS_FAILED", `use ${what} for HTTPS: ${why}; ${advice}`, {
    cause,
    details: { file: what },
  });
}

/**
 * The certificate that HTTPS on this host shows, of the fabric's authority: kept on disk so that a node starts without a
 * server, and renewed long before it ends, so that one that reaches no server for three quarters of its life goes on.
 *
 * It is asked for again at once where it does not name an address that the host has now. The key changes with each.
 */
import { X509Certificate } from "node:crypto";
import type { Clock, Timer } from "../../clock/index.ts";
import { createKeyPair } from "./authority.ts";
import { type IdentityFiles, loadIdentity, type NodeCertificate, saveIdentity } from "./identity-files.ts";
import type { IssuedCertificate } from "./trust-book.ts";

export interface ServingCertificateKeeperOptions {
  /** @throws why there is none now; it is tried again */
  readonly issue: (request: string) => Promise<IssuedCertificate>;
  /** Absent: it lives in memory, and the next start asks for another. */
  readonly directory?: IdentityFiles;
  /** Names and addresses that it must have. */
  readonly mustName: readonly string[];
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/** Part of its life after which it is renewed, and the wait after a failure: doubled each time. */
const renewAfter = 1 / 4;
const [retryMinMs, retryMaxMs] = [1000, 60_000];

export class ServingCertificateKeeper {
  readonly #options: ServingCertificateKeeperOptions;
  readonly #listeners = new Set<() => void>();
  #held: NodeCertificate | undefined;
  #timer: Timer | undefined;
  #retryMs = retryMinMs;
  #closed = false;

  /** What is kept is there at once; the rest comes when it comes. @throws CONTROL_IDENTITY_REFUSED */
  static async open(options: ServingCertificateKeeperOptions): Promise<ServingCertificateKeeper> {
    const { directory, clock, mustName } = options;
    const kept = directory === undefined ? undefined : await loadIdentity(directory, "serving");
    const keeper = new ServingCertificateKeeper(options);
    if (kept && Date.parse(certificateOf(kept).validTo) > clock.wallMs()) keeper.#held = kept;
    if (keeper.#held && doesName(keeper.#held, mustName)) keeper.#arm(keeper.#held);
    else void keeper.renew();
    return keeper;
  }

  private constructor(options: ServingCertificateKeeperOptions) {
    this.#options = options;
  }

  /** PEM. */
  get current(): { readonly cert: string; readonly key: string } | undefined {
    return this.#held && { cert: this.#held.chain, key: this.#held.key };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks for another now, whatever the one that is held is good for. */
  async renew(): Promise<void> {
    const { issue, directory, clock, onFailure } = this.#options;
    this.#timer?.cancel();
    try {
      const { key, request } = await createKeyPair();
      const certificate = { ...(await issue(request)), key };
      if (this.#closed) return;
      if (directory !== undefined) await saveIdentity(directory, certificate, "serving");
      this.#held = certificate;
      this.#retryMs = retryMinMs;
      this.#arm(certificate);
      for (const listener of this.#listeners) listener();
    } catch (error) {
      if (this.#closed) return;
      onFailure(error);
      this.#timer = clock.setTimer(this.#retryMs, () => void this.renew());
      this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #arm(certificate: NodeCertificate): void {
    const { validFrom, validTo } = certificateOf(certificate);
    const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)];
    const dueMs = fromMs + (toMs - fromMs) * renewAfter;
    const delayMs = Math.max(0, dueMs - this.#options.clock.wallMs());
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.renew());
  }
}

function certificateOf({ chain }: NodeCertificate): X509Certificate {
  return new X509Certificate(chain);
}

function doesName(certificate: NodeCertificate, names: readonly string[]): boolean {
  const shown = certificateOf(certificate);
  return names.every((name) => shown.checkIP(name) ?? shown.checkHost(name));
}

/**
 * SkyDNS's names: the labels of a name, from the right, are the parts of a key under `skydns/`, so
 * `1.web.prod.skydns.local` is `skydns/local/skydns/prod/web/1`. `*` and `any` stand for any one part (SkyDNS's
 * README, "Wildcards").
 */
import { isPlainName } from "../wire/index.ts";

export interface SkyDnsPath {
  /** The key, up to the first wildcard. */
  readonly path: string;
  /** The parts of the whole key; undefined for any. */
  readonly parts: readonly (string | undefined)[];
  readonly isWild: boolean;
}

const root = "skydns";

/** @param labels lower case, from the left, of the whole name */
export function skyDnsPath(labels: readonly string[]): SkyDnsPath {
  const parts = [root, ...labels.toReversed()].map((label) => (isWildcard(label) ? undefined : label));
  const firstWild = parts.indexOf(undefined);
  const fixed = firstWild < 0 ? parts : parts.slice(0, firstWild);
  return { path: fixed.join("/"), parts, isWild: firstWild >= 0 };
}

/** Does the key lie at or below the name? */
export function keyMatches(key: string, { parts }: SkyDnsPath): boolean {
  const own = key.split("/");
  return parts.every((part, i) => own[i] !== undefined && (part === undefined || part === own[i]));
}

/** The name that a key stands for, without its first `strip` labels; undefined when DNS cannot carry it. */
export function skyDnsName(key: string, strip = 0): string | undefined {
  const labels = key.split("/").slice(1).toReversed();
  if (labels.some((label) => label.includes("."))) return undefined;
  const name = (strip < labels.length ? labels.slice(strip) : labels).join(".");
  return isPlainName(name) ? name : undefined;
}

function isWildcard(label: string): boolean {
  return label === "*" || label === "any";
}

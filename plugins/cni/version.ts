/**
 * Versions of the CNI protocol that Heddle speaks, oldest first, and what each can carry. Sources: SPEC.md of
 * 0.4.0, 1.0.0 and 1.1.0; results of 0.4.0 carry `ips[].version`, 1.1.0 brought STATUS, GC and `interfaces[].mtu`.
 */

export const cniVersions = ["0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof cniVersions)[number];

export const newestCniVersion: CniVersion = "1.1.0";

export function isCniVersion(text: string): text is CniVersion {
  return (cniVersions as readonly string[]).includes(text);
}

export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return cniVersions.indexOf(version) >= cniVersions.indexOf(other);
}

/** The result of VERSION. */
export function versionResult(version: CniVersion): object {
  return { cniVersion: version, supportedVersions: cniVersions };
}

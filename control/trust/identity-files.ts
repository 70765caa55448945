/**
 * Keys and certificates of a node on disk, each one JSON file that only its owner may read, replaced in one step: a crash
 * leaves the old identity or the new one, whole.
 */
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import { makeDirectory } from "../../files/index.ts";

/** A directory. */
export type IdentityFiles = string;

const schema = z.object({
  key: z.string(),
  chain: z.string(),
  authority: z.string(),
  tokenId: z.string().exactOptional(),
});

/** PEM. */
export interface NodeCertificate {
  readonly key: string;
  readonly chain: string;
  /** All that are believed. */
  readonly authority: string;
  /** Of the join token that was used last: another one is an operator's word to join anew. */
  readonly tokenId?: string;
}

/** `serving` is of HTTPS on the node, and no identity. */
export type IdentityName = "identity" | "serving";

/** Undefined when there is none. @throws CONTROL_IDENTITY_REFUSED when it cannot be read */
export async function loadIdentity(
  directory: IdentityFiles,
  name: IdentityName = "identity",
): Promise<NodeCertificate | undefined> {
  const path = join(directory, `${name}.json`);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, cause);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** @throws FILES_DIRECTORY_FAILED */
export async function saveIdentity(
  directory: IdentityFiles,
  identity: NodeCertificate,
  name: IdentityName = "identity",
): Promise<void> {
  makeDirectory(directory, 0o700);
  const path = join(directory, `${name}.json`);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(identity));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const parent = await open(directory);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

function unreadable(path: string, cause: unknown): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `read the node's certificate in ${path}: it cannot be read; restore it, or remove it and join with a new token`,
    { cause, details: { path } },
  );
}

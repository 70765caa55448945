/** `heddle kv get | put | ls | rm`. Values are bytes: `get` writes them as they are, `put` reads standard input when none is given. */
import { FabricError } from "../../errors/index.ts";
import { connect } from "../connection.ts";
import { type RemoteOptions, wholeNumber } from "../options.ts";
import { print } from "../print.ts";

export async function get(key: string, options: RemoteOptions): Promise<void> {
  const value = await connect(options).kvGet(key);
  if (!value)
    throw new FabricError(
      "CLI_NOT_FOUND",
      `get key ${JSON.stringify(key)}: there is no such key; \`heddle kv ls\` lists them`,
    );
  if (options.json) return print(options, { key, value: value.toString("base64") }, () => "");
  process.stdout.write(value);
  if (process.stdout.isTTY) process.stdout.write("\n");
}

export async function put(
  key: string,
  value: string | undefined,
  options: RemoteOptions & { readonly cas?: string },
): Promise<void> {
  const cas =
    options.cas === undefined ? {} : { cas: wholeNumber("--cas", options.cas, 0, Number.MAX_SAFE_INTEGER) };
  const written = await connect(options).kvPut(key, value ?? (await standardInput()), cas);
  if (!written)
    throw new FabricError(
      "CLI_CONFLICT",
      `put key ${JSON.stringify(key)}: its ModifyIndex is not ${options.cas}; nothing was written`,
    );
  print(options, { key, written }, () => `${key} is written`);
}

export async function list(prefix: string | undefined, options: RemoteOptions): Promise<void> {
  const keys = await connect(options).kvKeys(prefix ?? "");
  if (options.json || keys.length > 0) print(options, keys, () => keys.join("\n"));
}

export async function remove(
  key: string,
  options: RemoteOptions & { readonly recurse?: boolean },
): Promise<void> {
  await connect(options).kvDelete(key, { recurse: options.recurse ?? false });
  print(options, { removed: key }, () => `${key} is removed`);
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

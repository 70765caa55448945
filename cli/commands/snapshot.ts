/** `heddle snapshot save | restore | inspect`: archives of what people wrote, or of a whole store, in a file. */
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { packSnapshot, unpackSnapshot } from "../../api/index.ts";
import { systemClock } from "../../clock/index.ts";
import { restoreWhole, wholeBackup } from "../../daemon/index.ts";
import { FabricError } from "../../errors/index.ts";
import { Registry } from "../../registry/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { connect, connectServer } from "../connection.ts";
import { type RemoteOptions, type StoreFlags, storeAccess } from "../options.ts";
import { print } from "../print.ts";

type Places = Omit<StoreFlags, "dataDir">;
type SaveOptions = RemoteOptions & Places & { readonly all?: boolean; readonly datacenter: string };
type RestoreOptions = RemoteOptions & Places;

/** The file is there whole or not at all: it is written beside, read back, and then takes its name. */
export async function save(file: string, options: SaveOptions): Promise<void> {
  const { store, all = false, datacenter } = options;
  if (store !== undefined && !all) {
    throw new FabricError(
      "CLI_USAGE",
      "save a snapshot of --store: of a store itself everything is saved; add --all, or ask a running server without --store",
    );
  }
  const partial = `${file}.${process.pid}.partial`;
  const write = (archive: NodeJS.ReadableStream | AsyncIterable<Uint8Array>) =>
    pipeline(archive, createWriteStream(partial, { mode: 0o600, flags: "wx" }));
  try {
    if (store !== undefined) await withStore(store, options, (open) => saveStore(open, datacenter, write));
    else if (all) await connectServer(options).download("/v1/heddle/backup", write);
    else await connect(options).download("/v1/snapshot", write);
    const { head, records } = await unpackSnapshot(createReadStream(partial));
    await rename(partial, file);
    print(
      options,
      { file, ...head, records: records.length },
      () => `${file}: revision ${head.revision}, ${records.length} records`,
    );
  } finally {
    await rm(partial, { force: true });
  }
}

export async function restore(file: string, options: RestoreOptions): Promise<void> {
  // Damage is told here already, before anything is sent.
  const { head, records } = await unpackSnapshot(createReadStream(file));
  const isWhole = head.version === 2;
  if (isWhole !== (options.store !== undefined)) {
    throw new FabricError(
      "CLI_USAGE",
      isWhole
        ? `restore ${file}: it is of a whole store; name the empty one that takes it with --store, while no server runs over that`
        : `restore ${file}: it is of what people wrote, which a running server takes; leave --store out`,
    );
  }
  if (options.store === undefined)
    await connect(options).upload("PUT", "/v1/snapshot", createReadStream(file));
  else await withStore(options.store, options, (store) => restoreWhole(store, systemClock, records), "new");
  print(
    options,
    { file, ...head, records: records.length },
    () =>
      `${file} is restored: ${records.length} records of revision ${head.revision}${isWhole ? "\nstart the servers, then look with `heddle recover status`" : ""}`,
  );
}

export async function inspect(file: string, options: { readonly json?: boolean }): Promise<void> {
  const { head, records } = await unpackSnapshot(createReadStream(file));
  const kinds = new Map<string, { count: number; bytes: number }>();
  for (const { key, value } of records) {
    const kind = /^(?:catalog\/|ipam\/|trust\/|acl\/)?[^/]+/.exec(key)?.[0] ?? "";
    const { count, bytes } = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: count + 1, bytes: bytes + key.length + value.length });
  }
  const rows = [...kinds].map(([kind, sums]) => ({ kind, ...sums }));
  print(options, { ...head, kinds: rows }, () =>
    [
      `${head.version === 2 ? "a whole store, secrets included; " : ""}datacenter ${head.datacenter}, revision ${head.revision}, ${head.at}`,
      ...rows.map(
        ({ kind, count, bytes }) => `${kind.padEnd(20)} ${String(count).padStart(8)} ${bytes} bytes`,
      ),
    ].join("\n"),
  );
}

async function saveStore(
  store: Store,
  datacenter: string,
  write: (archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const registry = await Registry.open({ store, clock: systemClock, datacenter });
  try {
    const { revision, records } = await wholeBackup(store, registry);
    const at = new Date(systemClock.wallMs()).toISOString();
    await write(packSnapshot({ datacenter, revision, at, content: "whole" }, records));
  } finally {
    await registry.close();
  }
}

/** `there`: it must be, so that a mistyped path is not a new, empty store. @throws CLI_NOT_FOUND */
async function withStore(
  spec: string,
  options: Places,
  use: (store: Store) => Promise<void>,
  expected: "there" | "new" = "there",
): Promise<void> {
  const [, path] = /^sqlite:(.+)$/s.exec(spec) ?? [];
  if (expected === "there" && path !== undefined && !existsSync(path))
    throw new FabricError("CLI_NOT_FOUND", `open ${spec}: there is no such file; name the store`);
  const store = await openStore(spec, { clock: systemClock, access: storeAccess(options) });
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

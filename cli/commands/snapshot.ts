/** `heddle snapshot save | restore | inspect`: the archive of `/v1/snapshot` in a file. */
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { unpackSnapshot } from "../../api/index.ts";
import { connect } from "../connection.ts";
import type { RemoteOptions } from "../options.ts";
import { print } from "../print.ts";

/** The file is there whole or not at all: it is written beside, read back, and then takes its name. */
export async function save(file: string, options: RemoteOptions): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  try {
    await connect(options).download("/v1/snapshot", (archive) =>
      pipeline(archive, createWriteStream(partial, { mode: 0o600, flags: "wx" })),
    );
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

export async function restore(file: string, options: RemoteOptions): Promise<void> {
  // Damage is told here already, before anything is sent.
  const { head, records } = await unpackSnapshot(createReadStream(file));
  await connect(options).upload("PUT", "/v1/snapshot", createReadStream(file));
  print(
    options,
    { file, ...head, records: records.length },
    () => `${file} is restored: ${records.length} records of revision ${head.revision}`,
  );
}

export async function inspect(file: string, options: { readonly json?: boolean }): Promise<void> {
  const { head, records } = await unpackSnapshot(createReadStream(file));
  const kinds = new Map<string, { count: number; bytes: number }>();
  for (const { key, value } of records) {
    const kind = /^(?:catalog\/)?[^/]+/.exec(key)?.[0] ?? "";
    const { count, bytes } = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: count + 1, bytes: bytes + key.length + value.length });
  }
  const rows = [...kinds].map(([kind, sums]) => ({ kind, ...sums }));
  print(options, { ...head, kinds: rows }, () =>
    [
      `datacenter ${head.datacenter}, revision ${head.revision}, ${head.at}`,
      ...rows.map(
        ({ kind, count, bytes }) => `${kind.padEnd(20)} ${String(count).padStart(8)} ${bytes} bytes`,
      ),
    ].join("\n"),
  );
}

/** View updates as frames of encoded messages, in parts of bounded size. One encoding serves all subscribers. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { FabricError } from "../../../errors/index.ts";
import { encodeFrame } from "../../grpc-frames.ts";
import { ServerMessageSchema, type ViewUpdate, ViewUpdateSchema } from "../../proto/gen/fabric_pb.ts";
import { encodeError } from "../../wire-error.ts";

export interface ViewContent {
  readonly view: string;
  readonly revision: number;
  readonly digest: bigint;
}

export function encodeUnchanged(content: ViewContent): readonly Uint8Array[] {
  return [encode(content, { case: "unchanged", value: { $typeName: "heddle.control.v1.Unchanged" } }, true)];
}

export function encodeRefused(view: string, error: FabricError): readonly Uint8Array[] {
  return [encode({ view, revision: 0, digest: 0n }, { case: "refused", value: encodeError(error) }, true)];
}

export function encodeItems(
  content: ViewContent,
  kind: "snapshot" | "delta",
  puts: Iterable<readonly [string, string]>,
  deletes: readonly string[],
  partBytes: number,
): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  let items: { readonly key: string; readonly json: string }[] = [];
  let gone: string[] = [];
  let bytes = 0;
  const flush = (last: boolean) => {
    const value = {
      $typeName: "heddle.control.v1.ViewItems" as const,
      puts: items.map((item) => ({ $typeName: "heddle.control.v1.ViewItem" as const, ...item })),
      deletes: gone,
    };
    parts.push(encode(content, { case: kind, value }, last));
    items = [];
    gone = [];
    bytes = 0;
  };
  for (const [key, json] of puts) {
    if (bytes >= partBytes) flush(false);
    items.push({ key, json });
    bytes += key.length + json.length;
  }
  for (const key of deletes) {
    if (bytes >= partBytes) flush(false);
    gone.push(key);
    bytes += key.length;
  }
  flush(true);
  return parts;
}

function encode(content: ViewContent, body: ViewUpdate["body"], last: boolean): Uint8Array {
  const update = create(ViewUpdateSchema, {
    view: content.view,
    revision: BigInt(content.revision),
    digest: content.digest,
    last,
    body,
  });
  const message = create(ServerMessageSchema, { kind: { case: "view", value: update } });
  return encodeFrame(toBinary(ServerMessageSchema, message));
}

/** Refusals of the twin in the words of the real one, and the look-up that most of them come from. */
import type { FabricError } from "../../errors/index.ts";
import { describeOperation } from "../describe-operation.ts";
import type { KernelOperation, LinkRef } from "../operation.ts";
import { type ErrnoName, refusal } from "../refusal.ts";
import type { MemoryLink, MemoryNamespace } from "./namespace.ts";

export function refuse(op: KernelOperation, errno: ErrnoName, sentence?: string): FabricError {
  return refusal(describeOperation(op), errno, sentence);
}

/** @throws KERNEL_REFUSED ENODEV */
export function findLink(ns: MemoryNamespace, ref: LinkRef, op: KernelOperation): MemoryLink {
  const link = seekLink(ns, ref);
  if (!link) throw refuse(op, "ENODEV");
  return link;
}

export function seekLink(ns: MemoryNamespace, ref: LinkRef): MemoryLink | undefined {
  return typeof ref === "number" ? ns.links.get(ref) : ns.linkNamed(ref);
}

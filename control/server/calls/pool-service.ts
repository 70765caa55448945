/** What the control server needs of the address plan; `PoolAuthority` of ipam is one. */
import type {
  BlockClaim,
  ClaimBlockRequest,
  ClaimStaticRequest,
  NodeTerm,
  StaticClaim,
} from "../../../ipam/index.ts";

export interface PoolService {
  /** @throws IPAM_RECOVERING */
  joinNode(node: string, heldEpoch?: number, storeId?: string): Promise<NodeTerm>;
  /** @throws IPAM_STALE_EPOCH */
  renewNode(node: string, epoch: number): Promise<NodeTerm>;
  /** @throws IPAM_STALE_EPOCH */
  confirmTerm(node: string, epoch: number): Promise<void>;
  claimBlock(node: string, epoch: number, request: ClaimBlockRequest): Promise<BlockClaim>;
  releaseBlock(claim: BlockClaim): Promise<void>;
  claimStatic(node: string, epoch: number, request: ClaimStaticRequest): Promise<StaticClaim>;
  releaseStatic(claim: StaticClaim): Promise<void>;
  relinquish(node: string, epoch: number): Promise<void>;
  /** What a node holds, by its own word, while the plan is gathered. @throws IPAM_RECOVERY_STATE, IPAM_REQUEST_INVALID */
  restate(node: string, statement: string, record: unknown): Promise<void>;
}

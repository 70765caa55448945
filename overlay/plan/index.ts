/** From what a node should carry to the operations that lead there. Pure. */
export { DesignCache } from "./design-cache.ts";
export { orphanLinks, planDesign, planNode } from "./plan.ts";

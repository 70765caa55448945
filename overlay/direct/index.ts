/** The backend for nodes on one link. */
export { direct } from "./direct.ts";

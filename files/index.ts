/** What every module that keeps something on disk needs of the file system. */
export { makeDirectory } from "./make-directory.ts";
export { replaceFile, writeWhole } from "./write-whole.ts";

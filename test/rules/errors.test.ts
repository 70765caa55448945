/** Error codes: the registry, the code that throws them and docs/errors.md say the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorCodes } from "../../errors/index.ts";
import { productFiles, projectRoot } from "./source-files.ts";

const codes = Object.keys(errorCodes).toSorted();
const documented = [
  ...readFileSync(join(projectRoot, "docs/errors.md"), "utf8").matchAll(/^### ([A-Z0-9_]+)$/gm),
]
  .map((match) => match[1] ?? "")
  .toSorted();

describe("error codes", () => {
  it("are all in docs/errors.md, each once, and nothing else is", () => {
    expect(documented).toEqual(codes);
  });

  it("are all thrown or matched somewhere", () => {
    const source = productFiles()
      .filter(({ path }) => !path.startsWith("errors/"))
      .map(({ text }) => text)
      .join("\n");
    expect(codes.filter((code) => !source.includes(`"${code}"`))).toEqual([]);
  });

  it("carry the name of their module", () => {
    expect(
      codes.filter(
        (code) =>
          !/^(ADDR|API|CLI|CNI|CONTROL|DAEMON|DNS|FILES|HEALTH|IPAM|KERNEL|OVERLAY|REGISTRY|STORE|ENDPOINT|REGISTRAR|DOCKER)_/.test(
            code,
          ),
      ),
    ).toEqual([]);
  });

  it("are on every error: no bare Error is thrown", () => {
    const bare = productFiles().filter(({ text }) => /throw new (Error|TypeError|RangeError)\(/.test(text));
    expect(bare.map(({ path }) => path)).toEqual([]);
  });
});

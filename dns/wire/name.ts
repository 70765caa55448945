/**
 * Names as they stand in messages: presentation text without the last dot, the root being "". Case is kept,
 * because an answer repeats the name as it was asked. Bytes outside of printable ASCII are `\DDD`, dots and
 * backslashes inside of a label `\.` and `\\` (RFC 1035 section 5.1), so every name that the wire can carry
 * has exactly one text, and `nameFromLabels(nameLabels(n)) = n`.
 */
import { FabricError } from "../../errors/index.ts";

export const labelBytesMax = 63;
/** On the wire, with all length bytes (RFC 1035 section 2.3.4). */
export const nameBytesMax = 255;

/** Labels as latin1 text: one character a byte. @throws DNS_INVALID_NAME */
export function nameLabels(name: string): string[] {
  if (name === "") return [];
  const labels = name.includes("\\") ? unescapeLabels(name) : name.split(".");
  let bytes = 1;
  for (const label of labels) {
    if (label === "") throw invalid(name, "it has an empty label");
    if (label.length > labelBytesMax) throw invalid(name, `a label is longer than ${labelBytesMax} bytes`);
    bytes += label.length + 1;
  }
  if (bytes > nameBytesMax) throw invalid(name, `it is longer than ${nameBytesMax} bytes`);
  return labels;
}

/** True for a name other than the root that a message can carry without escapes. */
export function isPlainName(name: string): boolean {
  return (
    /^[!-[\]-~]{1,253}$/.test(name) &&
    name.split(".").every(({ length }) => length > 0 && length <= labelBytesMax)
  );
}

/** The text of a name with these labels (latin1). */
export function nameFromLabels(labels: readonly string[]): string {
  return labels.map(escapeLabel).join(".");
}

/** DNS compares ASCII letters without case and every other byte as it is (RFC 4343). */
export function lowerName(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function escapeLabel(label: string): string {
  if (/^[!-[\]-~]*$/.test(label) && !label.includes(".")) return label;
  let text = "";
  for (const char of label) {
    const code = char.charCodeAt(0);
    if (char === "." || char === "\\") text += `\\${char}`;
    else if (code > 0x20 && code < 0x7f) text += char;
    else text += `\\${code.toString().padStart(3, "0")}`;
  }
  return text;
}

function unescapeLabels(name: string): string[] {
  const labels: string[] = [];
  let label = "";
  for (let i = 0; i < name.length; i++) {
    const char = name.charAt(i);
    if (char === ".") {
      labels.push(label);
      label = "";
    } else if (char !== "\\") {
      label += char;
    } else {
      const digits = /^\d{3}/.exec(name.slice(i + 1, i + 4));
      const code = digits ? Number(digits[0]) : 0;
      if (code > 255 || i + 1 >= name.length) throw invalid(name, "it ends in, or has, a broken escape");
      label += digits ? String.fromCharCode(code) : name.charAt(i + 1);
      i += digits ? 3 : 1;
    }
  }
  labels.push(label);
  return labels;
}

function invalid(name: string, why: string): FabricError {
  return new FabricError("DNS_INVALID_NAME", `write name ${JSON.stringify(name.slice(0, 80))}: ${why}`);
}

/** Text tables: columns as wide as their widest cell, two blanks between, no lines. */

/** Rows under a heading; a missing value is shown as `-`. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  const cells = [
    heading,
    ...rows.map((row) => row.map((cell) => (cell === undefined || cell === "" ? "-" : String(cell)))),
  ];
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The order of things that are equal: another one each time, so that clients that take the first share the load. */

/** Fisher-Yates, in a copy. `random` gives 0 ≤ x < 1. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const moved = result[i] as T;
    result[i] = result[j] as T;
    result[j] = moved;
  }
  return result;
}

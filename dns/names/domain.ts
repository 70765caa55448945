/** Which of several domains a name is under: the one with the most labels, if any. */
export function domainOf(labels: readonly string[], domains: readonly string[]): string | undefined {
  let best: { readonly domain: string; readonly length: number } | undefined;
  for (const domain of domains) {
    const own = domain.split(".");
    const tail = labels.slice(labels.length - own.length);
    const under = labels.length >= own.length && own.every((label, i) => tail[i] === label);
    if (under && own.length > (best?.length ?? 0)) best = { domain, length: own.length };
  }
  return best?.domain;
}

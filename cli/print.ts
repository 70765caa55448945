/** Results on standard output: JSON when asked for, else text. */

export function print(options: { readonly json?: boolean }, value: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(value) : text()}\n`);
}

/**
 * Runs before each test file: no test may depend on a machine being quick, so what is waited for may take as long as a
 * test may. Vitest gives up after a second, and has no option for it.
 */
import { vi } from "vitest";

const patienceMs = 120_000;

const { waitFor, waitUntil } = vi;
const patient = (options: number | { readonly timeout?: number; readonly interval?: number } = {}) =>
  typeof options === "number" ? options : { timeout: patienceMs, ...options };
vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));

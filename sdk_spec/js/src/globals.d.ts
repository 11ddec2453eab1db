/** What every mini-program engine offers beside the language itself. No `window`, no `fetch`, no `process`. */
declare function setTimeout(callback: () => void, delayMs: number): number;
declare function clearTimeout(timer: number | undefined): void;
declare const console: { log(...values: unknown[]): void };

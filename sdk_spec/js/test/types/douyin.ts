/**
 * The adapter's view of `tt` against @douyin-microapp/typings. Compiled, never run.
 *
 * `request` is left out: its typings know no text as `data`, the API takes it, as on every other host.
 */
import type { EnterOptions, Host } from '../../src/platform';

export const host: Host = tt as Omit<typeof tt, 'request'>;

export const launched: EnterOptions = tt.getLaunchOptionsSync();

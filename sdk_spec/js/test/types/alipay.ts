/** The adapter's view of `my` against @mini-types/alipay. Compiled, never run. */
import type { EnterOptions, Host } from '../../src/platform';

export const host: Host = my;

export const entered: EnterOptions = my.getEnterOptionsSync();

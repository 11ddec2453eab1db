/** The adapter's view of `swan` against @types/baidu-app. Compiled, never run. */
import type { Host } from '../../src/platform';

export const host: Host = swan;

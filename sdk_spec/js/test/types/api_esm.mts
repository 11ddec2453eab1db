/** The published declarations, as an ES module consumer sees them. */
import { getStats, init, track, type Options } from 'scenetrail-js';

const options: Options = { collectorUrl: 'https://collector.example', writeKey: 'wk', platform: 'lark' };
init(options);
track('x', { at: new Date() });
export const queued: number | undefined = getStats()?.queued;

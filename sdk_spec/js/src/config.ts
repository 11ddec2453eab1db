/**
 * Options with their defaults. Never throws: a wrong option is noted and replaced by its default; only a missing
 * collector, key or app id keeps the SDK from starting.
 */
import type { Account, Platform } from './platform';
import type { AutoTrack, Consent, DebugSink, Options, PlatformName } from './types';
import { asId } from './payload';

export interface Config {
  eventsUrl: string;
  writeKey: string;
  appId: string;
  platform: PlatformName;
  account: Account;
  consent: Consent;
  /** Whether an automatic event is on; `tap` has to be switched on. */
  isAuto(name: keyof AutoTrack): boolean;
  sessionTimeoutMs: number;
  flushIntervalMs: number;
  batchSize: number;
  maxQueueEvents: number;
  requestTimeoutMs: number;
}

/** The console, one line a message; used by `debug: true`. */
export const consoleSink: DebugSink = (message, detail) =>
  console.log('[scenetrail]', message, detail === undefined ? '' : detail);

/** A longer time is none that a timer takes: it would fire at once. */
const positive = (value: unknown, fallback: number): number =>
  typeof value === 'number' && value > 0 && value < 2 ** 31 ? value : fallback;

/** Resolve the options, or name the one that is missing. */
export function readConfig(options: Options, platform: Platform): Config | string {
  const account = platform.account();
  const appId = asId(options.appId || account.appId);
  // A header carries no line end, and a key that was read from a file may have one.
  const writeKey = asId(options.writeKey);
  if (!options.collectorUrl) return 'collectorUrl';
  if (!writeKey) return 'writeKey';
  if (!appId) return 'appId';
  const auto = options.autoTrack;
  return {
    eventsUrl: options.collectorUrl.replace(/\/+$/, '') + '/v1/events',
    writeKey,
    appId,
    platform: options.platform || platform.name,
    account,
    // A word it does not know is like `pending`: nothing leaves the memory.
    consent: options.consent || 'granted',
    isAuto(name) {
      const own = ((auto || {}) as Partial<AutoTrack>)[name];
      return own === undefined ? auto !== false && name !== 'tap' : own;
    },
    sessionTimeoutMs: positive(options.sessionTimeoutMs, 30 * 60_000),
    flushIntervalMs: positive(options.flushIntervalMs, 5_000),
    batchSize: positive(options.batchSize, 20),
    maxQueueEvents: positive(options.maxQueueEvents, 500),
    requestTimeoutMs: positive(options.requestTimeoutMs, 10_000),
  };
}

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
  autoTrack: AutoTrack;
  sessionTimeoutMs: number;
  flushIntervalMs: number;
  batchSize: number;
  maxQueueEvents: number;
  requestTimeoutMs: number;
}

const AUTO_TRACK: AutoTrack = {
  appLaunch: true,
  appShow: true,
  appHide: true,
  pageView: true,
  pageLeave: true,
  share: true,
  addFavorite: true,
  tap: false,
  appError: true,
};

/** The console, one line a message; used by `debug: true`. */
export const consoleSink: DebugSink = (message, detail) => {
  if (detail === undefined) console.log('[scenetrail] ' + message);
  else console.log('[scenetrail] ' + message, detail);
};

function atLeast(minimum: number, value: unknown, fallback: number): number {
  return typeof value === 'number' && value >= minimum && value < Infinity ? value : fallback;
}

/** Resolve the options, or say what is missing. */
export function readConfig(options: Options, platform: Platform): Config | string {
  const account = platform.account();
  const appId = asId(options.appId || account.appId);
  if (!/^https?:\/\//.test(options.collectorUrl || '')) return 'collectorUrl must be an http(s) URL';
  if (!options.writeKey) return 'writeKey is missing';
  if (!appId) return 'appId is missing';
  const auto = { ...AUTO_TRACK };
  for (const key of Object.keys(auto) as (keyof AutoTrack)[]) {
    if (options.autoTrack === false) auto[key] = false;
    else if (options.autoTrack && options.autoTrack !== true && options.autoTrack[key] !== undefined) auto[key] = !!options.autoTrack[key];
  }
  return {
    eventsUrl: options.collectorUrl.replace(/\/+$/, '') + '/v1/events',
    writeKey: String(options.writeKey),
    appId,
    platform: options.platform || platform.name,
    account,
    consent: options.consent === 'pending' || options.consent === 'denied' ? options.consent : 'granted',
    autoTrack: auto,
    sessionTimeoutMs: atLeast(1_000, options.sessionTimeoutMs, 30 * 60_000),
    flushIntervalMs: atLeast(0, options.flushIntervalMs, 5_000),
    batchSize: atLeast(1, options.batchSize, 20),
    maxQueueEvents: atLeast(1, options.maxQueueEvents, 500),
    requestTimeoutMs: atLeast(1_000, options.requestTimeoutMs, 10_000),
  };
}

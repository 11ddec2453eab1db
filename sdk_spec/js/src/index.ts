/**
 * The public API. Every function may be called at any time, also before {@link init}, and never throws.
 *
 * All copies of the library in one JavaScript context share one client, kept on the host's global object: the copy of an
 * independent subpackage and that of the main package record each event once.
 */
import { createClient, type Client } from './client';
import { MARK as SHARED } from './hooks';
import { attempt, findPlatform, type Platform } from './platform';
import type { Ids, Options, Properties, ShareCard, ShareChannel, ShareInfo, Stats } from './types';

export type {
  AutoTrack,
  Consent,
  DebugSink,
  Ids,
  Options,
  PlatformName,
  Properties,
  PropertyValue,
  ShareCard,
  ShareChannel,
  ShareInfo,
  Stats,
} from './types';

/** The client of the first copy; a host object that takes no property leaves each copy its own. */
function sharedClient(platform: Platform): Client {
  const holder = platform.host as Record<string, Client>;
  const existing = attempt(() => holder[SHARED]);
  if (existing) return existing;
  const client = createClient(platform);
  attempt(() => (holder[SHARED] = client));
  return client;
}

/** Outside a mini-program (a test, server-side rendering) there is no host, and every function does nothing. */
const platform = findPlatform();
const client = platform && sharedClient(platform);

function api<F extends (...args: never[]) => unknown>(name: string): F {
  return ((...args: unknown[]) => client && client.call(name, args)) as unknown as F;
}

function changeUser<P>(event: string): (properties: P) => void {
  return (properties) => client && client.call('changeUser', [event, properties]);
}

/** Start. Call it at the top of `app.js`, right after the library is loaded; a second call is ignored. */
export const init = api<(options: Options) => void>('init');

/** Record an event. Values that the wire cannot carry are left out; dates and objects become strings. */
export const track = api<(event: string, properties?: Properties) => void>('track');

/** Bind ids the app has learned to this visitor. Records `identify` if one is new. */
export const identify = api<(ids: Ids) => void>('identify');

/** Set attributes of the user's profile. */
export const setUser = changeUser<Properties>('user_set');

/** Set attributes that the profile does not have yet. */
export const setUserOnce = changeUser<Properties>('user_set_once');

/** Add numbers to attributes of the profile. */
export const incrementUser = changeUser<Record<string, number>>('user_increment');

const unset = changeUser<Properties>('user_unset');

/** Remove attributes from the profile. */
export function unsetUser(...names: string[]): void {
  const properties: Properties = {};
  for (const name of names) properties[name] = null;
  unset(properties);
}

/** Add properties to every event from now on, also in later runs; `undefined` removes one. */
export const registerSuperProperties = api<(properties: Properties) => void>('registerSuperProperties');

/** Start a clock; the next `track` of that name carries `duration_ms`. */
export const timeEvent = api<(event: string) => void>('timeEvent');

/** Add a group's id (opengid, decrypted by your own server) to the coming events of this visit. */
export const setGroupId = api<(groupId: string) => void>('setGroupId');

/** Send what waits now, unless the collector asked for a pause. */
export const flush = api<() => void>('flush');

/** The user agreed: store the decision, store and send what was recorded since the start. */
export const optIn = api<() => void>('optIn');

/** The user declined: store the decision only; clear ids, session and waiting events; record nothing. */
export const optOut = api<() => void>('optOut');

/** After a logout: a new anonymous id, a new session, no ids, no super properties. */
export const reset = api<() => void>('reset');

/** The card this visit began on, if any; `undefined` before `init`. */
export const getShareInfo = api<() => ShareInfo | undefined>('getShareInfo');

/** Make a card by hand (poster, copied link) and record its `share`. Default: the visible page, channel `copy`. */
export const createShareCard = api<(path?: string, channel?: ShareChannel) => ShareCard | undefined>('createShareCard');

/** Counts since the start of this run; `undefined` before `init`. */
export const getStats = api<() => Stats | undefined>('getStats');

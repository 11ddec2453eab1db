/**
 * From the names of the API to those of the wire: the only place with snake_case, and with the wire's limits.
 *
 * An event becomes JSON text once, at its creation; later only texts are joined. Values outside the limits are
 * shortened or left out, so that no event and no envelope is refused for its form.
 */
import { asObject, attempt, isObject, type Device } from './platform';
import type { PlatformName, PropertyValue } from './types';

export const SDK_NAME = 'scenetrail-js';
declare const __VERSION__: string;
export const SDK_VERSION = __VERSION__;

// The collector's limits, in characters; it refuses what is longer.
export const MAX_ID_CHARS = 128;
const MAX_SHORT_CHARS = 256;
const MAX_PROPERTIES = 256;
const MAX_LIST_ITEMS = 256;
// Below the collector's 16,384: the queue shares about 200 KB of storage.
const MAX_STRING_CHARS = 4_096;
const MAX_DURATION_MS = 86_400_000;

export interface Utm {
  source?: string;
  medium?: string;
  campaign?: string;
  term?: string;
  content?: string;
}

/** One event in the API's names; everything is fixed when it is made. */
export interface EventInput {
  eventId: string;
  event: string;
  occurredAt: number;
  sessionId: string;
  seq: number;
  scene?: string | number;
  page?: string;
  pageQuery?: string;
  referrerPage?: string;
  referrerAppId?: string;
  shareId?: string;
  shareTicket?: string;
  chatType?: number;
  groupId?: string;
  utm?: Utm;
  durationMs?: number;
  properties?: Record<string, PropertyValue>;
}

/** What a run of events shares: who, on what device, in which version. */
export interface ContextInput {
  anonymousId: string;
  openid?: string;
  unionid?: string;
  userId?: string;
  device: Device;
  appVersion?: string;
  envVersion?: string;
}

/** Replace lone surrogates, which are no valid Unicode: a strict server refuses the whole body for one. */
function wellFormed(value: string): string {
  return value.replace(/[\ud800-\udfff]/gu, '\ufffd');
}

function clip(value: unknown, chars: number): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return wellFormed(String(value).slice(0, chars));
}

/** What the collector refuses in an id: control, zero-width and direction characters, line separators, lone surrogates. */
const INVISIBLE = /[\0-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ud800-\udfff\ufeff]/u;

/**
 * An id as the wire takes it, or `undefined`: 1 to 128 printable characters. Never shortened, that would merge users; for the
 * same reason NaN and numbers beyond 2^53, whose last digits are lost, are no ids.
 */
export function asId(value: unknown): string | undefined {
  if (typeof value !== 'string' && !Number.isSafeInteger(value)) return undefined;
  const id = String(value).trim();
  return id && id.length <= MAX_ID_CHARS && !INVISIBLE.test(id) ? id : undefined;
}

/** Clamped difference of two wall-clock times: the clock may be set in between. At most a day. */
export function durationMs(from: number, to = Date.now()): number {
  return Math.min(Math.max(Math.round(to - from) || 0, 0), MAX_DURATION_MS);
}

/** May throw: an object may hold a cycle, or a getter that throws. */
function propertyValue(value: unknown): PropertyValue | undefined {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string' || typeof value === 'bigint') return clip(value, MAX_STRING_CHARS) || '';
  // Integers beyond 64 bits, NaN and infinities have no place on the wire.
  if (typeof value === 'number') return Math.abs(value) < 2 ** 63 ? value : undefined;
  if (Array.isArray(value))
    return value
      .slice(0, MAX_LIST_ITEMS)
      .map((item) => clip(isObject(item) ? JSON.stringify(item) : item, MAX_STRING_CHARS) || '');
  // A date becomes its ISO text, without the quotes that JSON puts around it; an invalid one is `null` there.
  return isObject(value) ? clip(JSON.stringify(value).replace(/^"|"$|^null$/g, ''), MAX_STRING_CHARS) : undefined;
}

/**
 * Properties as the wire takes them; of equal names the last source's counts, and its `undefined` takes the name away.
 *
 * Names are the caller's own and stay as they are. What cannot be carried (functions, `undefined`, NaN, cycles, getters that
 * throw) is left out and named to `note`; the others stay. A source that is no object has no properties.
 */
export function toProperties(sources: unknown[], note: (name: string) => void): Record<string, PropertyValue> {
  const out: Record<string, PropertyValue> = {};
  let count = 0;
  for (const source of sources.map(asObject)) {
    for (const key of attempt(() => Object.keys(source)) || []) {
      const name = clip(key, MAX_ID_CHARS) || '';
      delete out[name];
      // Stands for what a getter would not tell, and for what is not looked at any more.
      let given: unknown = key;
      const value = count < MAX_PROPERTIES ? attempt(() => propertyValue((given = source[key]))) : undefined;
      if (name && value !== undefined) {
        out[name] = value;
        count++;
      } else if (given !== undefined) note(key);
    }
  }
  return out;
}

/** `pageView` → `page_view`. */
export const toSnakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => '_' + letter.toLowerCase());

/** Characters of a field, where it is not {@link MAX_SHORT_CHARS}. */
const FIELD_CHARS: Record<string, number> = { page: 1_024, referrerPage: 1_024, shareTicket: 1_024, pageQuery: 8_192 };

/**
 * Rename the fields of an object to snake_case and shorten its texts, down through nested objects.
 *
 * `properties` is taken as it is: its names are the caller's. Empty texts and empty objects are left out.
 */
function toWire(fields: object): object | undefined {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    out[toSnakeCase(name)] =
      typeof value === 'string'
        ? clip(value, FIELD_CHARS[name] || MAX_SHORT_CHARS)
        : name !== 'properties' && isObject(value)
          ? toWire(value)
          : value;
  }
  return out;
}

/** One event as JSON. `properties` must come from {@link toProperties}. */
export const encodeEvent = (input: EventInput): string => JSON.stringify(toWire(input));

/** The part of the envelope that events share, as the inside of a JSON object. */
export const encodeContext = (input: ContextInput): string => JSON.stringify(toWire(input)).slice(1, -1);

/** A request body: the envelope, one context, and events that were encoded before. */
export function encodeBatch(
  appId: string,
  platform: PlatformName,
  sentAt: number,
  context: string,
  events: string[],
): string {
  const head = JSON.stringify(toWire({ appId, platform, sentAt, sdk: { name: SDK_NAME, version: SDK_VERSION } }));
  return `${head.slice(0, -1)},${context},"events":[${events.join(',')}]}`;
}

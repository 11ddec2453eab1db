/**
 * From the names of the API to those of the wire: the only place with snake_case, and with the wire's limits.
 *
 * An event becomes JSON text once, at its creation; later only texts are joined. Values outside the limits are
 * shortened or left out, so that no event and no envelope is refused for its form.
 */
import type { Account, Device } from './platform';
import type { PlatformName, Properties, PropertyValue } from './types';

export const SDK_NAME = 'scenetrail-js';
declare const __VERSION__: string;
export const SDK_VERSION = __VERSION__;

// The collector's limits, in characters; it refuses what is longer.
export const MAX_ID_CHARS = 128;
const MAX_SHORT_CHARS = 256;
const MAX_PAGE_CHARS = 1_024;
const MAX_QUERY_CHARS = 8_192;
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
  properties?: Properties;
}

/** What a run of events shares: who, on what device, in which version. */
export interface ContextInput {
  anonymousId: string;
  openid?: string;
  unionid?: string;
  userId?: string;
  device: Device;
  account: Account;
}

/** Replace lone surrogates, which are no valid Unicode: a strict server refuses the whole body for one. */
function wellFormed(value: string): string {
  return value.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (unit) => (unit.length === 2 ? unit : '\ufffd'));
}

function clip(value: unknown, chars: number): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return wellFormed(String(value).slice(0, chars));
}

/** An id as the wire takes it, or `undefined`: 1 to 128 printable characters. Never shortened, that would merge users. */
export function asId(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const id = String(value).trim();
  return id && id.length <= MAX_ID_CHARS && !/[\u0000-\u001f\u007f-\u009f\ud800-\udfff]/.test(id) ? id : undefined;
}

/** An event's name as the wire takes it, or `undefined`. */
export const asEventName = (value: unknown): string | undefined => (typeof value === 'string' ? asId(value) : undefined);

/** Clamped difference of two wall-clock times: the clock may be set in between. At most a day. */
export function durationMs(from: number, to: number): number {
  return Math.min(Math.max(Math.round(to - from) || 0, 0), MAX_DURATION_MS);
}

function propertyValue(value: unknown): PropertyValue | undefined {
  switch (typeof value) {
    case 'string':
      return clip(value, MAX_STRING_CHARS) || '';
    case 'boolean':
      return value;
    case 'number':
      // Integers beyond 64 bits, NaN and infinities have no place on the wire.
      return isFinite(value) && (Math.abs(value) < 2 ** 63 || value % 1 !== 0) ? value : undefined;
    case 'bigint':
      return String(value);
    case 'object':
      if (value === null) return null;
      if (value instanceof Date || Object.prototype.toString.call(value) === '[object Date]') return (value as Date).toISOString();
      if (Array.isArray(value)) {
        return value.slice(0, MAX_LIST_ITEMS).map((item) => clip(item && typeof item === 'object' ? JSON.stringify(item) : item, MAX_STRING_CHARS) || '');
      }
      return clip(JSON.stringify(value), MAX_STRING_CHARS);
    default:
      return undefined;
  }
}

/**
 * Properties as the wire takes them.
 *
 * Names are the caller's own and stay as they are. What cannot be carried (functions, `undefined`, NaN, cycles) is
 * left out and named to `note`.
 */
export function toProperties(properties: Properties | undefined, note: (name: string) => void): Record<string, PropertyValue> {
  const out: Record<string, PropertyValue> = {};
  let count = 0;
  for (const key of Object.keys(properties || {})) {
    const name = clip(key, MAX_ID_CHARS);
    let value: PropertyValue | undefined;
    try {
      value = propertyValue(properties![key]);
    } catch {
      value = undefined;
    }
    if (!name || value === undefined || count >= MAX_PROPERTIES) note(key);
    else {
      out[name] = value;
      count++;
    }
  }
  return out;
}

/** One event as JSON. `properties` must come from {@link toProperties}. */
export function encodeEvent(input: EventInput): string {
  const { utm } = input;
  return JSON.stringify({
    event_id: input.eventId,
    event: input.event,
    occurred_at: input.occurredAt,
    seq: input.seq,
    session_id: input.sessionId,
    scene: typeof input.scene === 'number' ? Math.round(input.scene) : clip(input.scene, MAX_SHORT_CHARS),
    page: clip(input.page, MAX_PAGE_CHARS),
    page_query: clip(input.pageQuery, MAX_QUERY_CHARS),
    referrer_page: clip(input.referrerPage, MAX_PAGE_CHARS),
    referrer_app_id: asId(input.referrerAppId),
    share_id: input.shareId,
    share_ticket: clip(input.shareTicket, MAX_PAGE_CHARS),
    chat_type: input.chatType,
    group_id: input.groupId,
    utm: utm && {
      source: clip(utm.source, MAX_SHORT_CHARS),
      medium: clip(utm.medium, MAX_SHORT_CHARS),
      campaign: clip(utm.campaign, MAX_SHORT_CHARS),
      term: clip(utm.term, MAX_SHORT_CHARS),
      content: clip(utm.content, MAX_SHORT_CHARS),
    },
    duration_ms: input.durationMs,
    properties: input.properties && Object.keys(input.properties).length ? input.properties : undefined,
  });
}

/** The part of the envelope that events share, as the inside of a JSON object. */
export function encodeContext(input: ContextInput): string {
  const { device, account } = input;
  return JSON.stringify({
    anonymous_id: input.anonymousId,
    openid: input.openid,
    unionid: input.unionid,
    user_id: input.userId,
    device: {
      brand: clip(device.brand, MAX_SHORT_CHARS),
      model: clip(device.model, MAX_SHORT_CHARS),
      os: clip(device.os, MAX_SHORT_CHARS),
      os_version: clip(device.osVersion, MAX_SHORT_CHARS),
      host_version: clip(device.hostVersion, MAX_SHORT_CHARS),
      base_library_version: clip(device.baseLibraryVersion, MAX_SHORT_CHARS),
      language: clip(device.language, MAX_SHORT_CHARS),
      network_type: clip(device.networkType, MAX_SHORT_CHARS),
      screen_width: device.screenWidth,
      screen_height: device.screenHeight,
    },
    app_version: clip(account.appVersion, MAX_SHORT_CHARS),
    env_version: clip(account.envVersion, MAX_SHORT_CHARS),
  }).slice(1, -1);
}

/** A request body: the envelope, one context, and events that were encoded before. */
export function encodeBatch(appId: string, platform: PlatformName, sentAt: number, context: string, events: string[]): string {
  const head = JSON.stringify({ app_id: appId, platform, sent_at: sentAt, sdk: { name: SDK_NAME, version: SDK_VERSION } });
  return `${head.slice(0, -1)},${context},"events":[${events.join(',')}]}`;
}

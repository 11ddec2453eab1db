/**
 * Reads how a visit began from what the host says at a start: scene, query, QR codes, campaign, card.
 *
 * Pure. Hosts differ and err: every field may be missing or of another type. The scene is kept as given, number or
 * string; leading zeros carry meaning.
 */
import { asObject, attempt, trimSlash, type EnterOptions, type SceneMark } from './platform';
import { asId, type Utm } from './payload';
import type { Properties, ShareInfo } from './types';
import { readShareParam, SHARE_PARAM } from './share';

export interface Entry {
  /** What every event of the visit carries. */
  common: { scene?: string | number; referrerAppId?: string; chatType?: number };
  /** What only `app_launch` and `app_show` carry; the query is without the share parameter. */
  fields: { page?: string; pageQuery?: string; shareTicket?: string };
  properties: Properties;
  card?: ShareInfo;
  utm?: Utm;
  mark?: SceneMark;
}

const decode = (value: string): string => attempt(() => decodeURIComponent(value)) || value;

/** `a=1&b=2` or a URL with such a query → pairs, values decoded. */
function parseQuery(query: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of query
    .replace(/^[^?]*\?/, '')
    .replace(/#.*$/, '')
    .split('&')) {
    const at = part.indexOf('=');
    if (at > 0) pairs[decode(part.slice(0, at))] = decode(part.slice(at + 1));
  }
  return pairs;
}

/** A query as hosts give it, an object or a string or nothing, as pairs of strings. */
export function readQuery(query: unknown): Record<string, string> {
  if (typeof query === 'string') return parseQuery(query);
  const pairs: Record<string, string> = {};
  for (const [key, value] of Object.entries(asObject(query))) {
    if (value !== undefined && value !== null) pairs[key] = String(value);
  }
  return pairs;
}

/**
 * Join pairs to a query again. Hosts leave values as they stand in the link, so they are not encoded again; only
 * characters that would end a value are.
 */
export function joinQuery(pairs: Record<string, string>): string {
  return Object.keys(pairs)
    .filter((key) => key !== SHARE_PARAM)
    .map((key) => `${key}=${pairs[key]!.replace(/[&#?=\s]/g, encodeURIComponent)}`)
    .join('&');
}

export function readEntry(
  options: EnterOptions | undefined,
  markOf: (scene: string, apiCategory: unknown) => SceneMark | undefined,
): Entry {
  const given = options || {};
  const query = readQuery(given.query);
  const properties: Properties = {};
  let campaign = query;
  // A QR code of a link gives `q`, a mini-program code gives `scene`; both are encoded once more than other values.
  for (const [name, property] of [
    ['q', 'qr_url'],
    ['scene', 'qr_scene'],
  ] as const) {
    if (!query[name]) continue;
    const decoded = decode(query[name]!);
    properties[property] = decoded;
    campaign = { ...campaign, ...parseQuery(decoded) };
  }
  const utm: Record<string, string> = {};
  for (const key of Object.keys(campaign)) {
    const name = (/^utm_(source|medium|campaign|term|content)$/.exec(key) || [])[1];
    if (name && campaign[key]) utm[name] = decode(campaign[key]!);
  }
  const scene = typeof given.scene === 'number' || typeof given.scene === 'string' ? given.scene : undefined;
  const chatType = Number(given.chatType);
  if (given.apiCategory) properties['api_category'] = given.apiCategory;
  return {
    common: {
      scene,
      referrerAppId: asId(asObject(given.referrerInfo || given.refererInfo)['appId']),
      chatType: chatType > 0 && chatType < 32_768 ? Math.round(chatType) : undefined,
    },
    fields: {
      page: given.path && trimSlash(given.path),
      pageQuery: joinQuery(query),
      shareTicket: given.shareTicket as string | undefined,
    },
    properties,
    card: readShareParam(campaign[SHARE_PARAM]),
    utm: Object.keys(utm).length ? utm : undefined,
    mark: markOf(String(scene), given.apiCategory),
  };
}

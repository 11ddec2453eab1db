/**
 * Share cards (分享卡片): puts one short parameter into what the developer's handler returns, and reads it back.
 *
 * The parameter is `_st=<share_id>.<depth>`: a random id of the share event and the card's depth, no id of a person,
 * for a path ends in other people's chats. The server joins openings to cards by `share_id`. Title, picture, promise and
 * all other fields of the return value stay as they are; a page without a share hook gets none, because the hook's
 * mere presence adds a button to the host's menu.
 */
import { asObject, isObject } from './platform';
import { randomId, SHARE_ID_CHARS } from './random';
import type { ShareInfo } from './types';

/** The query parameter of a shared card. */
export const SHARE_PARAM = '_st';

/** `undefined` for a parameter that is not ours or damaged. */
export function readShareParam(value: string | undefined): ShareInfo | undefined {
  const parts = /^([0-9A-Za-z]{6,64})\.(\d{1,6})$/.exec(value || '');
  return parts ? { shareId: parts[1]!, depth: Number(parts[2]) } : undefined;
}

/** A new card below the one the visit began on. */
export function newCard(parentDepth: number | undefined): ShareInfo {
  return { shareId: randomId(SHARE_ID_CHARS), depth: (parentDepth || 0) + 1 };
}

export function shareQuery(card: ShareInfo): string {
  return `${SHARE_PARAM}=${card.shareId}.${card.depth}`;
}

/** A query without our parameter: a page opened by a card would else pass on the old one. */
function stripQuery(query: string): string {
  return query
    .split('&')
    .filter((part) => part && part.indexOf(SHARE_PARAM + '=') !== 0)
    .join('&');
}

/** A path with another query at its end, or none; our old parameter is taken out and a hash stays last. */
function rebuildPath(path: string, added: string): string {
  const [main, ...hash] = path.split('#');
  const [base, ...query] = main!.split('?');
  const rest = [stripQuery(query.join('?')), added].filter(Boolean).join('&');
  return [rest ? base + '?' + rest : base, ...hash].join('#');
}

/** A path without our parameter. */
export const stripPath = (path: string): string => rebuildPath(path, '');

export const addToPath = (path: string, card: ShareInfo): string => rebuildPath(path, shareQuery(card));

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value['then'] === 'function';
}

/**
 * Add the card to a share handler's return value.
 *
 * @param returned what the handler returned: an object, a promise, an object with a `promise` field, or nothing.
 * @param field `path` for cards in chats; `query` for the timeline and favourites, which take no path.
 * @param fallback the page's own path or query, which hosts use if the handler names none.
 */
export function decorateShare(returned: unknown, field: 'path' | 'query', fallback: string, card: ShareInfo): unknown {
  if (isPromise(returned)) return returned.then((value) => decorateShare(value, field, fallback, card));
  // Neither an object nor nothing: nobody knows what the host makes of it.
  if (!isObject(returned) && returned !== undefined && returned !== null) return returned;
  const value = asObject(returned);
  const isPath = field === 'path';
  const base = (value[field] as string) || fallback;
  if (typeof base !== 'string' || (isPath && !base)) return returned;
  const fields: Record<string, unknown> = {
    [field]: isPath ? addToPath(base, card) : [stripQuery(base), shareQuery(card)].filter(Boolean).join('&'),
  };
  const { promise } = value;
  if (isPromise(promise)) fields['promise'] = promise.then((late) => decorateShare(late, field, base, card));
  return { ...value, ...fields };
}

/** The path a card leads to, as the developer gave it; a promise's is not waited for. */
export function sharePathOf(returned: unknown, fallback: string): string {
  const { path } = asObject(returned);
  return stripPath(typeof path === 'string' && path ? path : fallback);
}

/** Random ids. Opaque to everyone; unique, not secret. */

/**
 * Make an id of `length` characters, 5.17 bits each.
 *
 * `Math.random` suffices: mini-programs offer secure randomness only asynchronously, and an event's id must stand at
 * its creation.
 */
export function randomId(length: number): string {
  let id = '';
  while (id.length < length) id += Math.random().toString(36).slice(2, 12);
  return id.slice(0, length);
}

/** 124 bits. */
export const EVENT_ID_CHARS = 24;
/** 72 bits; short, because it travels in the path of every shared card. */
export const SHARE_ID_CHARS = 14;

/** Random ids. Opaque to everyone; unique, not secret. */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Make an id of `length` characters, 5.95 bits each.
 *
 * `Math.random` suffices: mini-programs offer secure randomness only asynchronously, and an event's id must stand at
 * its creation. 22 characters are 131 bits, 12 characters 71 bits.
 */
export function randomId(length: number): string {
  let id = '';
  while (id.length < length) id += ALPHABET[Math.floor(Math.random() * ALPHABET.length)];
  return id;
}

export const EVENT_ID_CHARS = 22;
/** Short, because it travels in the path of every shared card. */
export const SHARE_ID_CHARS = 12;

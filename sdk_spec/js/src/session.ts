/**
 * Who this is and which visit this is: ids, super properties, the session with its sequence. Persisted as one record.
 *
 * A session ends after a silence (30 minutes by default), and by nothing else: it lasts across hide, kill and a new
 * scene. It keeps the card and the campaign it began with until it ends or another card or campaign arrives.
 * Times are differences of the wall clock; timers sleep in the background and prove nothing.
 */
import { asId, type Utm } from './payload';
import { randomId, EVENT_ID_CHARS } from './random';
import type { Storage } from './event_store';
import type { Ids, PropertyValue } from './types';

/** What the session keeps from the entry it began with. */
export interface Origin {
  shareId?: string;
  depth?: number;
  groupId?: string;
  utm?: Utm;
}

export interface Session {
  id: string;
  /** Of the last event; wall-clock milliseconds. */
  activeAt: number;
  /** Of the last event; starts at 1. */
  seq: number;
  origin: Origin;
}

export interface Identity extends Ids {
  anonymousId: string;
}

interface Person {
  identity: Identity;
  superProperties: Record<string, PropertyValue>;
}

export interface SessionKeeper {
  /** Replaced as a whole on a change, so that it can be compared. */
  readonly identity: Identity;
  readonly superProperties: Record<string, PropertyValue>;
  readonly session: Session;
  /**
   * Take the next place in the session; a silence before `at` begins a new one.
   *
   * `isClosing` is for events that end something begun earlier (leave, hide): a long stay is no silence.
   */
  next(at: number, isClosing?: boolean): { id: string; seq: number };
  /** Begin a new session if the silence before `at` ended the last one. */
  touch(at: number): void;
  /** Add to what the coming events of this session carry. */
  addOrigin(origin: Origin): void;
  /** Returns false if that changes nothing. Ids that are no ids are ignored. */
  setIds(ids: Ids): boolean;
  setSuperProperties(properties: Record<string, PropertyValue>): void;
  /** A new person on this device: other ids, another session, no super properties. */
  reset(): void;
  persist(): void;
  /** Take what an earlier run stored; the session goes on if it is not over. */
  restore(now: number): void;
  /** Remove the record from storage. */
  clear(): void;
}

function newSession(at: number): Session {
  return { id: randomId(EVENT_ID_CHARS), activeAt: at, seq: 0, origin: {} };
}

function newPerson(): Person {
  return { identity: { anonymousId: randomId(EVENT_ID_CHARS) }, superProperties: {} };
}

export function createSessionKeeper(storage: Storage, key: string, timeoutMs: number, now: number): SessionKeeper {
  let person = newPerson();
  let session = newSession(now);
  let isDirty = true;

  // A clock set back gives a negative silence: the session goes on.
  const isOver = (candidate: Session, at: number): boolean => at - candidate.activeAt >= timeoutMs;

  const keeper: SessionKeeper = {
    get identity() {
      return person.identity;
    },
    get superProperties() {
      return person.superProperties;
    },
    get session() {
      return session;
    },
    touch(at) {
      if (isOver(session, at)) session = newSession(at);
    },
    next(at, isClosing) {
      if (!isClosing) keeper.touch(at);
      session.activeAt = at;
      session.seq++;
      isDirty = true;
      return { id: session.id, seq: session.seq };
    },
    addOrigin(origin) {
      session.origin = { ...session.origin, ...origin };
      isDirty = true;
    },
    setIds(ids) {
      const next = { ...person.identity };
      for (const name of ['userId', 'openid', 'unionid'] as const) next[name] = asId(ids[name]) || next[name];
      if (JSON.stringify(next) === JSON.stringify(person.identity)) return false;
      person.identity = next;
      return (isDirty = true);
    },
    setSuperProperties(properties) {
      person.superProperties = properties;
      isDirty = true;
    },
    reset() {
      person = newPerson();
      session = newSession(session.activeAt);
      isDirty = true;
    },
    persist() {
      if (isDirty) isDirty = !storage.write(key, JSON.stringify({ v: 1, person, session }));
    },
    restore(at) {
      try {
        const { person: stored, session: last } = JSON.parse(storage.read(key) || '{}') as {
          person?: Person;
          session?: Session;
        };
        if (stored) {
          // What this run learned before the restore (consent was pending) is newer.
          const { anonymousId } = stored.identity;
          if (asId(anonymousId))
            person = {
              identity: { ...stored.identity, ...person.identity, anonymousId },
              superProperties: { ...stored.superProperties, ...person.superProperties },
            };
        }
        if (last && last.id && last.origin && last.seq && !session.seq && !isOver(last, at)) session = last;
      } catch {
        // Corrupt: this run's new ids stand and overwrite it.
      }
    },
    clear() {
      keeper.reset();
      isDirty = false;
      storage.remove(key);
    },
  };
  return keeper;
}

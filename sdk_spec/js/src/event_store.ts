/**
 * The queue of events that wait for the collector: bounded, oldest dropped first, persisted.
 *
 * Lives in one key of the platform's storage as JSON text
 * `{"v":1,"contexts":[{…}],"dropped":{…},"events":[[context index,{event}],…]}`. Storage that is full, switched off or
 * corrupt never costs more than what it held: events stay in memory and every loss is counted by reason.
 * Called by client.ts (add, persist) and emitter.ts (peek, remove).
 */

/** Who and on what; the inside of a JSON object, made by payload.ts. Computed when first needed: device calls are slow. */
export interface Context {
  text(): string;
}

export interface StoredEvent {
  readonly json: string;
  readonly context: Context;
  /** In a request whose answer has not come. */
  isSending: boolean;
}

export type DropReason = 'queue_full' | 'too_large' | 'storage_corrupt' | 'refused';

export interface Storage {
  read(key: string): string | undefined;
  write(key: string, value: string): boolean;
  remove(key: string): void;
}

/**
 * Characters of all waiting events. Alipay takes about 200 KB a key, a Chinese character is 3 bytes in UTF-8: text
 * that is mostly ASCII stays below it, and where it does not the write fails and {@link EventStore.persist} copes.
 */
const MAX_QUEUE_CHARS = 150_000;
/** An event of this size would drive out many others. An ordinary one has 500 characters. */
const MAX_EVENT_CHARS = 60_000;
const VERSION = 1;

export interface EventStore {
  readonly size: number;
  /** Drops since the start of this run, by reason. */
  readonly dropTotals: Record<string, number>;
  add(json: string, context: Context): void;
  /** The oldest events that share a context and are not being sent, up to the limits; at least one if there is one. */
  peek(maxEvents: number, maxChars: number): StoredEvent[];
  remove(events: StoredEvent[]): void;
  countDrop(reason: DropReason, count: number): void;
  /** Drops since the last call, by reason; they are forgotten by it. */
  takeDrops(): Record<string, number>;
  /** Write to storage; costs nothing when nothing changed. */
  persist(): void;
  /** Read what an earlier run left; goes before what this run has added. */
  restore(): void;
  /** Forget everything, in memory and in storage. */
  clear(): void;
}

export function createEventStore(
  storage: Storage,
  key: string,
  maxEvents: number,
  note: (message: string, detail?: unknown) => void,
): EventStore {
  let events: StoredEvent[] = [];
  let chars = 0;
  let drops: Record<string, number> = {};
  const dropTotals: Record<string, number> = {};
  let isDirty = false;

  function countDrop(reason: DropReason, count: number): void {
    drops[reason] = (drops[reason] || 0) + count;
    dropTotals[reason] = (dropTotals[reason] || 0) + count;
    isDirty = true;
    note(`dropped ${count}: ${reason}`);
  }

  function recount(): void {
    chars = events.reduce((sum, event) => sum + event.json.length, 0);
  }

  /** Drop the oldest beyond the bounds; those being sent may already be stored by the collector, so others go first. */
  function dropOldest(): void {
    let count = 0;
    while (events.length > maxEvents || (chars > MAX_QUEUE_CHARS && events.length > 1)) {
      let victim = 0;
      while (victim < events.length - 1 && events[victim]!.isSending) victim++;
      chars -= events.splice(victim, 1)[0]!.json.length;
      count++;
    }
    if (count) countDrop('queue_full', count);
  }

  function encode(list: StoredEvent[]): string {
    const contexts: Context[] = [];
    const lines = list.map((event) => {
      let index = contexts.indexOf(event.context);
      if (index < 0) index = contexts.push(event.context) - 1;
      return `[${index},${event.json}]`;
    });
    return `{"v":${VERSION},"contexts":[${contexts.map((context) => `{${context.text()}}`).join(',')}],"dropped":${JSON.stringify(drops)},"events":[${lines.join(',')}]}`;
  }

  function decode(stored: string): StoredEvent[] {
    const record = JSON.parse(stored) as {
      v: unknown;
      contexts: object[];
      dropped?: Record<string, number>;
      events: [number, Record<string, unknown>][];
    };
    if (record.v !== VERSION) throw VERSION;
    const contexts = record.contexts.map((context) => {
      const inside = JSON.stringify(context).slice(1, -1);
      return { text: () => inside };
    });
    const restored: StoredEvent[] = [];
    let badCount = 0;
    for (const entry of record.events) {
      const [index, event] = entry || [];
      const context = contexts[index as number];
      if (context && event && event['event_id']) {
        restored.push({ json: JSON.stringify(event), context, isSending: false });
      } else badCount++;
    }
    for (const reason of Object.keys(record.dropped || {}))
      drops[reason] = (drops[reason] || 0) + record.dropped![reason]!;
    if (badCount) countDrop('storage_corrupt', badCount);
    return restored;
  }

  return {
    get size() {
      return events.length;
    },
    dropTotals,
    add(json, context) {
      if (json.length > MAX_EVENT_CHARS) return countDrop('too_large', 1);
      events.push({ json, context, isSending: false });
      chars += json.length;
      isDirty = true;
      dropOldest();
    },
    peek(maxCount, maxChars) {
      const batch: StoredEvent[] = [];
      let total = 0;
      for (const event of events) {
        if (event.isSending) continue;
        total += event.json.length;
        if (batch.length && (batch.length >= maxCount || total > maxChars || event.context !== batch[0]!.context))
          break;
        batch.push(event);
      }
      return batch;
    },
    remove(gone) {
      events = events.filter((event) => gone.indexOf(event) < 0);
      recount();
      isDirty = true;
    },
    countDrop,
    takeDrops() {
      const taken = drops;
      drops = {};
      return taken;
    },
    persist() {
      if (!isDirty) return;
      isDirty = false;
      if (!events.length && !Object.keys(drops).length) return storage.remove(key);
      // Storage full: keep the newest that fit, all of them stay in memory. Twice halved, then the next persist tries.
      for (const divisor of [1, 2, 4]) {
        if (storage.write(key, encode(events.slice(-Math.ceil(events.length / divisor))))) return;
      }
      isDirty = true;
      note('storage full');
    },
    restore() {
      const stored = storage.read(key);
      if (!stored) return;
      try {
        events = decode(stored).concat(events);
      } catch {
        countDrop('storage_corrupt', 1);
      }
      recount();
      dropOldest();
    },
    clear() {
      events = [];
      chars = 0;
      drops = {};
      isDirty = false;
      storage.remove(key);
    },
  };
}

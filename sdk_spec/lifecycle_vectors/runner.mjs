/**
 * Plays lifecycle vectors against any SDK through a driver, and says where the events differ. No dependencies.
 *
 * A driver is an object with one method for each step name of vector.schema.json (`launch(step)`, `track(step)`, …; a
 * method may be async), and besides: `requests`, the bodies of all requests so far in order; `isTaken(index)`, whether
 * the collector has that request (a 200, or `taken` without an answer); `refusedIds`, the ids of the events that such an
 * answer refused; `stats()`, the SDK's own counts; `told`, the ids it told the app as refused (servers); `shared`, what the
 * share hook returned. Time is the driver's: `wait` may move a fake clock or really wait.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** @returns {{name: string, vector: object}[]} all vectors beside this file, in order */
export function loadVectors(folder = new URL('.', import.meta.url)) {
  return readdirSync(folder)
    .filter((name) => /^\d+-.*\.json$/.test(name))
    .sort()
    .map((name) => ({
      name: name.replace(/\.json$/, ''),
      vector: JSON.parse(readFileSync(new URL(name, folder), 'utf8')),
    }));
}

/**
 * Compare a value with what is expected; objects may have more fields than expected.
 *
 * `null` means absent or null, `"<any>"` something that is not empty, `"<name>"` the same value wherever that name stands
 * and another one than every other name; a name may also stand inside a text.
 *
 * @returns {string[]} differences, empty if there are none
 */
export function difference(expected, actual, names, path) {
  const show = (value) => JSON.stringify(value) ?? 'nothing';
  if (expected === null)
    return actual === null || actual === undefined ? [] : [`${path}: expected nothing, got ${show(actual)}`];
  if (typeof expected === 'string') {
    const name = /<(\w+)>/.exec(expected);
    if (!name) return expected === actual ? [] : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
    if (name[1] === 'any')
      return actual === undefined || actual === null || actual === '' ? [`${path}: expected a value`] : [];
    if (expected !== name[0]) {
      const text = expected.replace(/<(\w+)>/g, (_, key) => names.get(key));
      return text === actual ? [] : [`${path}: expected ${show(text)}, got ${show(actual)}`];
    }
    if (typeof actual !== 'string' || !actual) return [`${path}: expected an id, got ${show(actual)}`];
    if (names.has(name[1]))
      return names.get(name[1]) === actual
        ? []
        : [`${path}: expected the same ${name[0]} as before (${names.get(name[1])}), got ${show(actual)}`];
    for (const [other, value] of names) if (value === actual) return [`${path}: <${other}> and ${name[0]} must differ`];
    names.set(name[1], actual);
    return [];
  }
  if (Array.isArray(expected)) {
    return JSON.stringify(expected) === JSON.stringify(actual)
      ? []
      : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
  }
  if (typeof expected === 'object') {
    return Object.keys(expected).flatMap((key) => difference(expected[key], actual?.[key], names, `${path}.${key}`));
  }
  return expected === actual ? [] : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
}

/** A step or an expected event with `times`, written out; `"<i>"` counts from `from` or 0. */
export function repeated({ times, from = 0, ...one }) {
  if (times === undefined) return [one];
  return Array.from({ length: times }, (_, i) => JSON.parse(JSON.stringify(one).replaceAll('"<i>"', String(from + i))));
}

/** Each event of the requests once, in order of arrival, with the ids of its envelope where it has none of its own. */
export function eventsOf(requests) {
  const events = new Map();
  for (const { events: batch, ...envelope } of requests) {
    const ids = Object.fromEntries(['anonymous_id', 'openid', 'unionid', 'user_id'].map((key) => [key, envelope[key]]));
    for (const event of batch) if (!events.has(event.event_id)) events.set(event.event_id, { ...ids, ...event });
  }
  return [...events.values()];
}

/**
 * Play one vector.
 *
 * @returns {Promise<string[]>} what went wrong, empty if the SDK conforms
 */
export async function play(vector, driver) {
  const faults = [];
  for (const [index, step] of vector.steps.entries()) {
    if (step.do === 'expect_requests') {
      if (driver.requests.length !== step.count)
        faults.push(`step ${index}: expected ${step.count} request(s) so far, got ${driver.requests.length}`);
    } else for (const one of repeated(step)) await driver[step.do](one);
  }
  const expected = { ...vector.expected, events: vector.expected.events.flatMap(repeated) };
  const names = new Map();
  // What a collector that took nothing in the end has, is nothing: requests that were dropped do not count.
  const taken = eventsOf(driver.requests.filter((_, index) => driver.isTaken(index)));
  const events = taken.filter((event) => !(driver.refusedIds || []).includes(event.event_id));
  const got = events.map((event) => event.event).join(' ');
  const wanted = expected.events.map((event) => event.event).join(' ');
  if (got !== wanted) return [...faults, `events: expected ${wanted || 'none'}, got ${got || 'none'}`];
  expected.events.forEach((event, index) =>
    faults.push(...difference(event, events[index], names, `events[${index}] ${event.event}`)),
  );
  if (expected.requests !== undefined && driver.requests.length !== expected.requests)
    faults.push(`expected ${expected.requests} request(s), got ${driver.requests.length}`);
  if (expected.batch_sizes) {
    const sizes = driver.requests.map((request) => request.events.length);
    faults.push(...difference(expected.batch_sizes, sizes, names, 'batch_sizes'));
  }
  if (expected.stats) {
    const { dropped, ...counts } = expected.stats;
    const stats = driver.stats();
    faults.push(...difference(counts, stats, names, 'stats'));
    faults.push(...difference(Object.entries(dropped), Object.entries(stats.dropped), names, 'stats.dropped'));
  }
  if (expected.refused) faults.push(...difference(expected.refused, driver.told, names, 'refused'));
  if (expected.same_event_ids_in_every_request) {
    const idsOf = (request) => request.events.map((event) => event.event_id).join();
    if (driver.requests.length < 2 || new Set(driver.requests.map(idsOf)).size !== 1)
      faults.push('expected the same events in at least two requests');
  }
  (expected.shared || []).forEach((share, index) =>
    faults.push(...difference(share, driver.shared[index], names, `shared[${index}]`)),
  );
  return faults;
}

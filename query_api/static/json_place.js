// Where in a JSON text the value stands that an error speaks of, so that an editor can point at it.

/**
 * {start, end} of the value at a path such as "$.indicators[0].points"; of the nearest around it where it is missing.
 *
 * text: JSON that has been parsed without a fault.
 */
export function placeOf(text, path) {
  const steps = Array.from(path.matchAll(/\.(\w+)|\[(\d+)\]/g), ([, name, index]) => name ?? Number(index));
  let at = 0;
  let found = { depth: -1, start: 0, end: 0 };

  function skip() {
    while (/\s/.test(text[at])) at += 1;
  }
  function string() {
    const start = at;
    at += 1;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return JSON.parse(text.slice(start, at));
  }
  /** Read the parts of an object or a list. step(index): the name or number of the next part. */
  function parts(close, depth, step) {
    at += 1;
    skip();
    for (let index = 0; text[at] !== close; index += 1) {
      const name = step(index);
      value(depth >= 0 && steps[depth] === name ? depth + 1 : -1);
      skip();
      if (text[at] === ",") at += 1;
      skip();
    }
    at += 1;
  }
  /** Read one value. depth: how many steps of the path lead to it; -1: it is beside the path. */
  function value(depth) {
    skip();
    const start = at;
    if (text[at] === "{") {
      parts("}", depth, () => {
        const name = string();
        skip();
        at += 1; // the colon
        return name;
      });
    } else if (text[at] === "[") parts("]", depth, (index) => index);
    else if (text[at] === '"') string();
    else while (at < text.length && !/[\s,\]}]/.test(text[at])) at += 1;
    if (depth > found.depth) found = { depth, start, end: at };
  }

  value(0);
  return { start: found.start, end: found.end };
}

// Where one is, by keyboard: parts of the page are made anew, and the focus goes back to what one had under one's fingers.

const labelOf = (element) => element.getAttribute("aria-label") ?? element.textContent;

/** Note what has the focus within an element; call the answer when that has been filled anew: it says whether the focus is back. */
export function keepFocus(within) {
  const active = document.activeElement;
  if (!active || active === document.body || active === within || !within.contains(active)) return () => true;
  const path = [];
  for (let node = active; node !== within; node = node.parentElement) path.unshift([...node.parentElement.children].indexOf(node));
  const { tagName } = active;
  const label = labelOf(active);
  const named = (node) => node.tagName === tagName && labelOf(node) === label;

  return ({ byName = false } = {}) => {
    if (document.activeElement && document.activeElement !== document.body) return true;
    let node = within;
    for (const index of path) node = node?.children[index];
    const same = node && named(node) ? node : ([...within.querySelectorAll(tagName)].find(named) ?? (byName || node?.tagName !== tagName ? null : node));
    same?.focus({ preventScroll: true });
    return document.activeElement !== document.body;
  };
}

/** The same for a page whose parts come one after another: until it is back, the focus is elsewhere or the page is left. */
export function keepFocusUntilThere(within, main) {
  const restore = keepFocus(within);
  return () => {
    if (restore()) return;
    const observer = new MutationObserver(() => restore({ byName: true }) && observer.disconnect());
    observer.observe(main, { childList: true, subtree: true });
    main.addEventListener("leave", () => observer.disconnect(), { once: true });
  };
}

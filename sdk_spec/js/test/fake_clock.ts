/** A clock and its timers that move only when told; used in place of `Date` and `setTimeout` inside a stub host. */

interface Timer {
  id: number;
  at: number;
  callback: () => void;
}

export class FakeClock {
  now = Date.UTC(2026, 9, 1, 4, 0, 0);
  #timers: Timer[] = [];
  #nextId = 1;
  /** A suspended app's timers wait for the next foreground. */
  isSuspended = false;

  setTimeout = (callback: () => void, delayMs = 0): number => {
    const id = this.#nextId++;
    this.#timers.push({ id, at: this.now + delayMs, callback });
    return id;
  };

  clearTimeout = (id?: number): void => {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  };

  /** Move on, running what falls due in order. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.isSuspended
        ? undefined
        : this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!due) break;
      this.clearTimeout(due.id);
      this.now = Math.max(this.now, due.at);
      due.callback();
    }
    this.now = Math.max(this.now, end);
  }

  /** Set the wall clock, as a user does; timers keep their distance. */
  jump(ms: number): void {
    this.now += ms;
    for (const timer of this.#timers) timer.at += ms;
  }

  /** A killed process has no timers. */
  drop(): void {
    this.#timers = [];
  }
}

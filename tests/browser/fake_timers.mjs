// A clock that the test moves: replaces setTimeout and clearTimeout for the time of one test.

export class FakeTimers {
  #now = 0;
  #next = 1;
  #timers = new Map();

  install(t) {
    const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    globalThis.setTimeout = (run, ms = 0) => {
      this.#timers.set(this.#next, { at: this.#now + ms, run });
      return this.#next++;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
    t.after(() => Object.assign(globalThis, real));
    return this;
  }

  /** Moves the clock, runs what falls due in order, lets promises settle in between. */
  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end)
        .sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].run();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets every promise that can settle do so. */
export function settle() {
  return new Promise((resolve) => { setImmediate(resolve); });
}

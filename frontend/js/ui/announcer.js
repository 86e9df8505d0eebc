// Owns the live region that screen readers speak. Several things that happen within a moment are
// said in one sentence, so that a hundred results do not become a hundred interruptions.

import { plural, progressText } from '../format.js';
import { counts } from '../state.js';

const PAUSE_MS = 1500;

export class Announcer {
  #element;
  #before = null;
  #timer = null;
  #extra = [];

  constructor(element) {
    this.#element = element;
  }

  /** Something that no count tells. */
  say(text) {
    this.#extra.push(text);
    this.#schedule();
  }

  update(state) {
    if (!state.loaded) return;
    this.state = state;
    if (!this.#before) this.#before = counts(state);  // what was there already is no news
    else this.#schedule();
  }

  #schedule() {
    this.#timer ??= setTimeout(() => this.#speak(), PAUSE_MS);
  }

  #speak() {
    this.#timer = null;
    const parts = this.#extra.splice(0);
    if (this.state) {
      const now = counts(this.state);
      const before = this.#before ?? now;
      const added = now.total - before.total;
      if (added > 0) parts.unshift(`${plural(added, 'photo')} added.`);
      const settled = (c) => c.done + c.failed + c.rejected;
      if (settled(now) !== settled(before) && now.total >= before.total) {
        parts.push(`${progressText(now)}.`);
      }
      this.#before = now;
    }
    if (parts.length > 0) this.#element.textContent = parts.join(' ');
  }
}

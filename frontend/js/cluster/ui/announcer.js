// Owns the live region that screen readers speak: who joined and who left, gathered for a moment,
// so that a cluster that starts is one sentence.

import { names } from '../figures.js';

const PAUSE_MS = 1500;

export class Announcer {
  #element;
  #timer = null;
  #joined = [];
  #left = [];
  #seen = null;

  constructor(element) {
    this.#element = element;
  }

  update({ news }) {
    if (news === this.#seen) return;
    this.#seen = news;
    this.#joined.push(...news.joined);
    this.#left.push(...news.left);
    if (this.#joined.length + this.#left.length > 0) {
      this.#timer ??= setTimeout(() => this.#speak(), PAUSE_MS);
    }
  }

  #speak() {
    this.#timer = null;
    const joined = this.#joined.splice(0);
    const left = this.#left.splice(0);
    this.#element.textContent = [
      joined.length > 0 ? `${names(joined)} joined.` : '',
      left.length > 0 ? `${names(left)} left.` : '',
    ].join(' ').trim();
  }
}

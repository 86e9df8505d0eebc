// Owns the overall progress in the header, and the page's title with it.

import { progressText, progressTextShort } from '../format.js';
import { counts } from '../state.js';

export class Summary {
  #text;
  #bar;
  #title = document.title;

  constructor(text, bar) {
    this.#text = text;
    this.#bar = bar;
  }

  update(state) {
    const now = counts(state);
    const text = progressText(now);
    if (this.#text.textContent !== text) {
      this.#text.textContent = text;
      this.#text.dataset.short = progressTextShort(now);  // for a phone's width
    }
    const finished = now.total - now.open;
    this.#bar.hidden = now.open === 0;
    this.#bar.value = now.total ? finished / now.total : 0;
    document.title = now.open > 0 ? `${finished} of ${now.total} – imgrec` : this.#title;
  }
}

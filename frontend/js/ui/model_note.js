// Owns the words about the model in use, where it is the small one that comes with imgrec.

import { biggerModel, knowsText, modelName } from '../bundled_model.js';

export class ModelNote {
  #knows;
  #bigger;
  #shown = null;

  /** knows: what it can tell apart, or null where there is no room for it; bigger: how to get another. */
  constructor({ knows = null, bigger }) {
    this.#knows = knows;
    this.#bigger = bigger;
  }

  update(state) {
    const name = modelName(state);
    if (name === this.#shown) return;
    this.#shown = name;
    if (this.#knows) {
      this.#knows.textContent = knowsText(name);
      this.#knows.hidden = !knowsText(name);
    }
    const bigger = biggerModel(name);
    this.#bigger.hidden = !bigger;
    if (!bigger) return;
    const command = document.createElement('code');
    command.textContent = bigger.command;
    this.#bigger.replaceChildren(bigger.text, command);
  }
}

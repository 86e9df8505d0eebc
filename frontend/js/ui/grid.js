// Owns the list of photos: one Card per item, in the order of the state. Touches only cards whose
// item has changed, and builds a limited number of new ones per frame.

import { Card } from './card.js';

const NEW_PER_FRAME = 40;

export class Grid {
  #list;
  #template;
  #callbacks;
  #cards = new Map();
  #order = null;

  /** files: Map key → File, of the photos chosen on this page. */
  constructor(list, template, files, callbacks) {
    this.#list = list;
    this.#template = template;
    this.files = files;
    this.#callbacks = callbacks;
  }

  /** True: there is more to build; call again in the next frame. */
  update(state) {
    for (const [key, card] of this.#cards) {
      const item = state.items.get(key);
      if (item) card.update(item, this.files.get(key));
      else this.#remove(key, card);
    }
    if (state.order === this.#order) return false;
    const more = this.#arrange(state);
    this.#order = more ? null : state.order;
    return more;
  }

  #arrange(state) {
    let budget = NEW_PER_FRAME;
    let place = this.#list.firstElementChild;
    for (const key of state.order) {
      let card = this.#cards.get(key);
      if (!card) {
        if (budget === 0) continue;
        budget -= 1;
        card = new Card(this.#template, key, this.#callbacks);
        card.update(state.items.get(key), this.files.get(key));
        this.#cards.set(key, card);
      }
      if (card.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(card.element, place);
    }
    return this.#cards.size < state.items.size;
  }

  // Whoever deletes by keyboard goes on with the next card.
  #remove(key, card) {
    const had = card.element.contains(document.activeElement);
    const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
    card.remove();
    this.#cards.delete(key);
    if (!had) return;
    const next = [...this.#cards.values()].find((other) => other.element === neighbour);
    if (next) next.focusDelete();
    else document.getElementById('files').focus();
  }
}

// Owns the list of photos. Only the cards in sight exist, with a row more at either end; a card
// that has the focus stays, wherever the page is scrolled to. Tab stops at one photo (and its
// controls), the arrow keys go from photo to photo.

import { cardAfterKey, columnsFor, heightFor, placeOf, rangeFor, scrollNeeded } from '../virtual.js';
import { Card } from './card.js';

const MIN_WIDTH_REM = 16.5;
const SPARE_CARDS = 64;

export class Grid {
  #list;
  #template;
  #options;
  #cards = new Map();  // key → Card, of those that exist
  #spare = [];         // cards that went out of sight
  #keys = [];
  #state = null;
  #active = null;      // key of the photo that Tab stops at
  #layout = null;      // {columns, cardWidth, cardHeight, gap}, measured
  #frame = false;

  /**
   * @param options {files, thumbnails, callbacks, insetTop(), onLeave()}
   *   files: Map key → File; callbacks: Card's, and onDeleteKey(key), onSelectAll();
   *   insetTop(): how much of the window's upper end lies under the header;
   *   onLeave(): the last photo went while it had the focus
   */
  constructor(list, template, options) {
    this.#list = list;
    this.#template = template;
    this.#options = options;
    list.addEventListener('keydown', (event) => this.#onKey(event));
    list.addEventListener('focusin', (event) => this.#onFocus(event));
    addEventListener('scroll', () => this.#redraw(), { passive: true });
    addEventListener('resize', () => this.#remeasure());
    new ResizeObserver(() => this.#remeasure()).observe(list);
  }

  /** keys: of what is shown, in order. */
  update(state, keys) {
    const focused = this.#focused();
    const before = this.#keys;
    this.#state = state;
    this.#keys = keys;
    this.#draw();
    if (focused && !this.#cards.has(focused.key)) this.#passFocus(focused, before);
  }

  /** Scrolls to a photo and gives it the focus. */
  focus(key, part = 'open') {
    const index = this.#keys.indexOf(key);
    if (index < 0) return;
    this.#active = key;
    const y = this.#top() + placeOf(index, this.#layout).y;
    const margin = this.#layout.gap / 2;
    const by = scrollNeeded(y, this.#options.insetTop() + margin, innerHeight - margin, this.#layout);
    if (by !== 0) scrollBy({ top: by, behavior: 'instant' });
    this.#draw(index);
    this.#cards.get(key)?.focus(part);
  }

  #top() {
    return this.#list.getBoundingClientRect().top;
  }

  #focused() {
    if (!this.#list.contains(document.activeElement)) return null;
    for (const card of this.#cards.values()) {
      const part = card.focusedPart();
      if (part) return { key: card.key, part };
    }
    return null;
  }

  // Whoever deletes by keyboard goes on with the photo that took its place.
  #passFocus({ key, part }, before) {
    const next = this.#keys[Math.min(before.indexOf(key), this.#keys.length - 1)];
    if (next) this.focus(next, part);
    else this.#options.onLeave();
  }

  #redraw() {
    if (this.#frame) return;
    this.#frame = true;
    requestAnimationFrame(() => {
      this.#frame = false;
      this.#draw();
    });
  }

  #remeasure() {
    const { width, rem: size } = this.#layout ?? {};
    if (this.#list.clientWidth !== width || rem() !== size) this.#layout = null;
    this.#redraw();
  }

  #measure() {
    const width = this.#list.clientWidth;
    const gap = Number.parseFloat(getComputedStyle(this.#list).rowGap) || 0;
    const { columns, cardWidth } = columnsFor({ width, gap, minWidth: MIN_WIDTH_REM * rem() });
    this.#list.style.setProperty('--card-width', `${cardWidth}px`);
    const probe = this.#cards.values().next().value ?? this.#makeCard(this.#keys[0]);
    if (!probe.element.isConnected) this.#list.append(probe.element);
    const cardHeight = probe.element.offsetHeight;
    this.#layout = { columns, cardWidth, cardHeight, gap, width, rem: rem() };
  }

  /** extra: index of a card that must exist too. */
  #draw(extra = -1) {
    const count = this.#keys.length;
    if (!this.#state || (count > 0 && this.#list.clientWidth === 0)) return;  // it is not shown
    if (count > 0 && !this.#layout) this.#measure();
    const height = count > 0 ? heightFor(count, this.#layout) : 0;
    this.#list.style.height = `${height}px`;
    const indices = count > 0 ? this.#indicesInSight(count, extra) : [];
    this.#dropOthers(new Set(indices.map((index) => this.#keys[index])));
    this.#arrange(indices);
    for (const index of indices) this.#bringUpToDate(index, count);
  }

  #indicesInSight(count, extra) {
    const top = this.#top();
    const { first, last } = rangeFor(count, -top, innerHeight - top, this.#layout);
    const indices = Array.from({ length: last - first }, (_, offset) => first + offset);
    const focused = this.#focused();
    if (!focused && extra < 0) this.#chooseTabStop(first, last, top);
    const pinned = focused ? this.#keys.indexOf(focused.key) : -1;
    for (const index of new Set([pinned, extra])) {
      if (index < 0 || (index >= first && index < last)) continue;
      if (index < indices[0]) indices.unshift(index);
      else indices.push(index);
    }
    return indices.sort((a, b) => a - b);
  }

  // Without the focus the tab stop goes along with what is in sight.
  #chooseTabStop(first, last, top) {
    const index = this.#active === null ? -1 : this.#keys.indexOf(this.#active);
    if (index >= first && index < last) return;
    const { columns, cardHeight, gap } = this.#layout;
    const row = Math.max(0, Math.ceil((this.#options.insetTop() - top) / (cardHeight + gap)));
    this.#active = this.#keys[Math.min(row * columns, this.#keys.length - 1)] ?? null;
  }

  #dropOthers(wanted) {
    for (const [key, card] of this.#cards) {
      if (wanted.has(key)) continue;
      card.remove();
      this.#cards.delete(key);
      if (this.#spare.length < SPARE_CARDS) this.#spare.push(card);
    }
  }

  // The cards' elements in the order of the photos. The one that has the focus is never moved, as
  // it would lose it: others move around it.
  #arrange(indices) {
    let place = this.#list.firstElementChild;
    for (const index of indices) {
      const key = this.#keys[index];
      const { element } = this.#cards.get(key) ?? this.#makeCard(key);
      if (element !== place && element.contains(document.activeElement)) {
        while (place !== element) {
          const next = place.nextElementSibling;
          this.#list.append(place);
          place = next;
        }
      }
      if (element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(element, place);
    }
  }

  #makeCard(key) {
    const { thumbnails, callbacks } = this.#options;
    const card = this.#spare.pop() ?? new Card(this.#template, thumbnails, callbacks);
    card.assign(key);
    this.#cards.set(key, card);
    return card;
  }

  #bringUpToDate(index, count) {
    const key = this.#keys[index];
    const card = this.#cards.get(key);
    const { items, selected } = this.#state;
    card.place(placeOf(index, this.#layout), index, count);
    card.update(items.get(key), this.#options.files.get(key), selected.has(key));
    card.setTabStop(key === this.#active);
  }

  #onFocus({ target }) {
    const { key } = target.closest('.card')?.dataset ?? {};
    if (!key || key === this.#active) return;
    this.#cards.get(this.#active)?.setTabStop(false);
    this.#active = key;
    this.#cards.get(key)?.setTabStop(true);
  }

  #onKey(event) {
    const key = event.target.closest('.card')?.dataset.key;
    if (!key || event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      if (event.key.toLowerCase() !== 'a') return;
      this.#options.callbacks.onSelectAll();
    } else if (event.key === 'Delete') {
      this.#options.callbacks.onDeleteKey(key);
    } else {
      const next = this.#keyAfter(event.key, key);
      if (next === null) return;
      this.focus(next);
    }
    event.preventDefault();
  }

  #keyAfter(pressed, key) {
    const { columns, cardHeight, gap } = this.#layout;
    const rowsInSight = Math.floor((innerHeight - this.#options.insetTop()) / (cardHeight + gap));
    const index = cardAfterKey(pressed, this.#keys.indexOf(key), this.#keys.length,
                               { columns, rowsInSight });
    return index === null ? null : this.#keys[index];
  }
}

function rem() {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

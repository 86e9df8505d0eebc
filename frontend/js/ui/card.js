// One photo in the grid: owns its element. The grid says where it lies and whether Tab stops at it,
// and gives the cards that went out of sight to other photos.

import { duration, labelText } from '../format.js';
import { canRetry, unsent } from '../items.js';
import { detailOf, scoreOf, spoken, titleOf } from '../words.js';
import { rankElement } from './rank.js';

const PARTS = ['open', 'tick', 'image', 'progress', 'name', 'title', 'score', 'unsure', 'ranks',
               'detail', 'retry', 'meta', 'delete'];

export class Card {
  #parts = {};
  #item = null;
  #thumbnails;
  #hasImage = false;  // it was wished for

  /** callbacks: {onOpen(key), onDelete(key), onRetry(key), onSelect(key, on)} */
  constructor(template, thumbnails, callbacks) {
    this.#thumbnails = thumbnails;
    this.element = template.content.firstElementChild.cloneNode(true);
    for (const name of PARTS) this.#parts[name] = this.element.querySelector(`.card-${name}`);
    const { image, open, tick, retry } = this.#parts;
    image.addEventListener('load', () => image.classList.add('shown'));
    open.addEventListener('click', () => callbacks.onOpen(this.key));
    tick.addEventListener('change', () => callbacks.onSelect(this.key, tick.checked));
    retry.addEventListener('click', () => callbacks.onRetry(this.key));
    this.#parts.delete.addEventListener('click', () => callbacks.onDelete(this.key));
  }

  /** Makes it the card of this photo; update() comes next. */
  assign(key) {
    this.key = key;
    this.#item = null;
    this.element.dataset.key = key;
  }

  /** file: the local file, where this page still has it. */
  update(item, file, selected) {
    this.#parts.tick.checked = selected;
    this.element.classList.toggle('selected', selected);
    if (item === this.#item) return;
    this.#showImage(file ?? item.contentUrl);
    this.#showName(item);
    const changed = item.phase !== this.#item?.phase;
    // Bars grow where somebody sees them come, not whenever the card comes into sight.
    if (changed) this.#parts.ranks.classList.toggle('fresh', this.#item !== null);
    this.#item = item;
    this.element.dataset.phase = item.phase;
    this.element.dataset.id = item.id ?? '';
    this.element.classList.toggle('deleting', item.deleting);
    this.element.classList.toggle('trouble', item.error !== null);
    this.#showProgress(item);
    if (item.phase !== 'done') this.#showWait(item);
    else if (changed) this.#showAnswer(item);
    this.#parts.retry.hidden = !canRetry(item);
    this.#parts.open.setAttribute('aria-label', spoken(item));
  }

  /** Lays it at {x, y}; it is number `index` of `count`. */
  place({ x, y }, index, count) {
    this.element.style.transform = `translate(${x}px, ${y}px)`;
    this.element.setAttribute('aria-posinset', index + 1);
    this.element.setAttribute('aria-setsize', count);
  }

  setTabStop(on) {
    for (const name of ['open', 'tick', 'retry', 'delete']) this.#parts[name].tabIndex = on ? 0 : -1;
  }

  remove() {
    if (this.#hasImage) this.#thumbnails.release(this.key);
    this.#hasImage = false;
    this.#parts.image.removeAttribute('src');
    this.#parts.image.classList.remove('shown');
    this.element.remove();
  }

  /** part: 'open', 'tick', 'retry' or 'delete'; what is not there gives way to the photo itself. */
  focus(part = 'open') {
    const element = this.#parts[part].hidden ? this.#parts.open : this.#parts[part];
    element.focus({ preventScroll: true });
  }

  /** The name of the part that has the focus, null where none has. */
  focusedPart() {
    const has = (name) => this.#parts[name] === document.activeElement;
    return ['open', 'tick', 'retry', 'delete'].find(has) ?? null;
  }

  // A local file stays the source when the server's address comes to be known.
  #showImage(source) {
    if (!source || this.#hasImage) return;
    this.#hasImage = true;
    this.#thumbnails.acquire(this.key, source, (url) => { if (url) this.#parts.image.src = url; });
  }

  #showName(item) {
    const { name, tick, retry } = this.#parts;
    const labelsChange = item.name !== this.#item?.name || unsent(item) !== unsent(this.#item ?? {});
    if (!labelsChange) return;
    name.textContent = item.name;
    name.title = item.name;
    const verb = unsent(item) ? 'Cancel' : 'Delete';
    this.#parts.delete.setAttribute('aria-label', `${verb} ${item.name}`);
    this.#parts.delete.title = verb;
    retry.setAttribute('aria-label', `Try again: ${item.name}`);
    tick.setAttribute('aria-label', `Select ${item.name}`);
  }

  #showProgress({ phase, progress, name }) {
    const bar = this.#parts.progress;
    bar.hidden = phase !== 'uploading';
    bar.value = progress;
    if (!bar.hidden) bar.setAttribute('aria-label', `Sending ${name}`);
  }

  #showWait(item) {
    const { title, score, unsure, ranks, detail, meta } = this.#parts;
    title.textContent = titleOf(item);
    title.removeAttribute('title');
    score.textContent = '';
    unsure.hidden = true;
    ranks.hidden = true;
    ranks.replaceChildren();
    const words = detailOf(item);
    detail.textContent = words;
    detail.title = words;
    detail.hidden = !words;
    meta.textContent = item.phase === 'assigned' && item.attempts > 1
      ? `attempt ${item.attempts}` : '';
  }

  #showAnswer(item) {
    const { top, unsure, totalMs, worker } = item;
    const parts = this.#parts;
    parts.title.textContent = titleOf(item);
    parts.title.title = labelText(top[0]?.label).full;
    parts.score.textContent = scoreOf(item);
    parts.unsure.hidden = !unsure;
    this.element.classList.toggle('unsure', unsure);
    parts.detail.hidden = true;
    parts.ranks.replaceChildren(...top.map(rankElement));
    parts.ranks.hidden = top.length === 0;
    parts.meta.textContent = [duration(totalMs ?? NaN), worker].filter(Boolean).join(' · ');
  }
}

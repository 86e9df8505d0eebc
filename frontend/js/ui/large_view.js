// Owns the dialog that shows one photo large, with everything that is known of it. Loaded when a
// photo is first opened.

import { bytesText, dateText, labelText } from '../format.js';
import { canRetry } from '../items.js';
import { detailOf, scoreOf, spoken, titleOf } from '../words.js';
import { element } from './element.js';
import { rankElement } from './rank.js';
import { TimeSplit } from './time_split.js';

const PARTS = ['image', 'empty', 'title', 'score', 'full', 'unsure', 'detail', 'ranks',
               'split', 'facts', 'place', 'spoken', 'previous', 'next', 'retry', 'delete', 'close', 'download'];

export class LargeView {
  #dialog;
  #parts = {};
  #split;
  #options;
  #state = null;
  #keys = [];
  #key = null;
  #item = null;
  #objectUrl = null;
  #source = null;

  /**
   * @param options {files, onClose(key), onRetry(key), onDelete(key)}
   *   onClose gets the photo that was shown last, which is to have the focus then
   */
  constructor(dialog, options) {
    this.#dialog = dialog;
    this.#options = options;
    const part = (name) => dialog.querySelector(`.large-${name}`);
    for (const name of PARTS) this.#parts[name] = part(name);
    this.#split = new TimeSplit({ bar: dialog.querySelector('.split-bar'),
      legend: dialog.querySelector('.split-legend'), total: dialog.querySelector('.split-total') });
    const { image, previous, next, close, retry } = this.#parts;
    previous.addEventListener('click', () => this.#step(-1));
    next.addEventListener('click', () => this.#step(1));
    close.addEventListener('click', () => dialog.close());
    retry.addEventListener('click', () => options.onRetry(this.#key));
    this.#parts.delete.addEventListener('click', () => options.onDelete(this.#key));
    image.addEventListener('error', () => this.#showPicture(false));
    image.addEventListener('load', () => this.#showPicture(true));
    dialog.addEventListener('keydown', (event) => this.#onKey(event));
    dialog.addEventListener('click', ({ target }) => { if (target === dialog) dialog.close(); });
    dialog.addEventListener('close', () => this.#closed());
  }

  open(key, state, keys) {
    this.#key = key;
    this.#dialog.showModal();
    this.update(state, keys);
  }

  /** keys: of the photos that the grid shows, which "next" goes through. */
  update(state, keys) {
    if (!this.#dialog.open) return;
    const before = this.#keys;
    this.#state = state;
    this.#keys = keys;
    if (!state.items.has(this.#key)) {  // deleted: its neighbour takes its place
      const key = keys[Math.min(Math.max(0, before.indexOf(this.#key)), keys.length - 1)];
      if (key === undefined) return this.#dialog.close();
      this.#key = key;
    }
    this.#show(state.items.get(this.#key));
    return undefined;
  }

  #step(by) {
    const key = this.#keys[this.#keys.indexOf(this.#key) + by];
    if (key === undefined) return;
    this.#key = key;
    this.#show(this.#state.items.get(key));
    this.#parts.spoken.textContent = `${this.#parts.place.textContent}, ${spoken(this.#item)}`;
  }

  #onKey(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (Object.hasOwn(steps, event.key)) this.#step(steps[event.key]);
    else if (event.key === 'Delete' && !event.repeat) this.#options.onDelete(this.#key);
    else return;
    event.preventDefault();
  }

  #closed() {
    this.#release();
    this.#parts.image.removeAttribute('src');
    this.#parts.spoken.textContent = '';
    this.#source = this.#item = null;
    this.#options.onClose(this.#key);
  }

  #show(item) {
    const { place, previous, next } = this.#parts;
    const index = this.#keys.indexOf(this.#key);
    place.textContent = index < 0 ? '' : `${index + 1} of ${this.#keys.length}`;
    // Not `disabled`: a button that has the focus must not lose it at the last photo.
    previous.setAttribute('aria-disabled', String(index <= 0));
    next.setAttribute('aria-disabled', String(index < 0 || index === this.#keys.length - 1));
    if (item === this.#item) return;
    this.#item = item;
    this.#loadPicture(item);
    this.#showWords(item);
    this.#showFacts(item);
  }

  #loadPicture(item) {
    const { image, download } = this.#parts;
    const source = this.#options.files.get(item.key) ?? item.contentUrl;
    image.alt = `The photo ${item.name}`;
    download.hidden = !item.contentUrl;
    if (item.contentUrl) download.href = item.contentUrl;
    download.download = item.name;
    if (source === this.#source) return;
    this.#source = source;
    this.#release();
    if (source instanceof File) this.#objectUrl = URL.createObjectURL(source);
    this.#showPicture(Boolean(source));
    if (source) image.src = this.#objectUrl ?? source;
  }

  #showPicture(there) {
    this.#parts.image.hidden = !there;
    this.#parts.empty.hidden = there;
  }

  #release() {
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = null;
  }

  #showWords(item) {
    const { title, score, full, unsure, detail, ranks, retry } = this.#parts;
    const done = item.phase === 'done' && item.top.length > 0;
    title.textContent = titleOf(item);
    score.textContent = scoreOf(item);
    full.textContent = done ? labelText(item.top[0].label).full : '';
    unsure.hidden = !(done && item.unsure);
    detail.textContent = detailOf(item);
    detail.hidden = detail.textContent === '';
    ranks.replaceChildren(...(done ? item.top.map(rankElement) : []));
    ranks.hidden = !done;
    retry.hidden = !canRetry(item);
    this.#dialog.classList.toggle('unsure', item.unsure);
    this.#dialog.classList.toggle('trouble', item.error !== null);
  }

  #showFacts(item) {
    this.#parts.split.hidden = !item.timing;
    if (item.timing) this.#split.show(item.timing);
    const pixels = item.width && item.height ? `${item.width} × ${item.height}` : null;
    const bytes = item.bytes ?? this.#options.files.get(item.key)?.size;
    const facts = {
      File: item.name, Worker: item.worker, Model: item.model,
      Attempts: item.attempts || null,
      Size: [pixels, bytesText(bytes)].filter(Boolean).join(', '), Sent: dateText(item.created),
    };
    const rows = Object.entries(facts).filter(([, value]) => value);
    this.#parts.facts.replaceChildren(...rows.flatMap(([term, value]) =>
      [element('dt', '', term), element('dd', '', String(value))]));
  }
}

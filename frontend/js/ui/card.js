// One photo: owns its element and its thumbnail's object URL.

import { clampScore, duration, labelText, percent, percentFine, sentence } from '../format.js';
import { canRetry } from '../state.js';

const TITLES = {
  waiting: 'Waiting to be sent',
  queued: 'In the queue',
  assigned: 'Recognizing…',
  failed: 'Not recognized',
  rejected: 'Not accepted',
  network: 'Not sent',
  gone: 'Not there any more',
};

export class Card {
  #parts = {};
  #item = null;
  #objectUrl = null;
  #source = null;  // what the thumbnail shows: a File, or an address of the server's

  /** callbacks: {onDelete(key), onRetry(key)} */
  constructor(template, key, callbacks) {
    this.key = key;
    this.element = template.content.firstElementChild.cloneNode(true);
    for (const name of ['image', 'progress', 'name', 'title', 'score', 'unsure', 'ranks', 'detail',
                        'retry', 'meta', 'delete']) {
      this.#parts[name] = this.element.querySelector(`.card-${name}`);
    }
    const { image } = this.#parts;
    image.addEventListener('load', () => {
      image.classList.add('shown');
      this.#release();
    });
    image.addEventListener('error', () => this.#release());  // the placeholder stays
    this.#parts.delete.addEventListener('click', () => callbacks.onDelete(key));
    this.#parts.retry.addEventListener('click', () => callbacks.onRetry(key));
  }

  /** file: the local file, where this page still has it. */
  update(item, file) {
    if (item === this.#item) return;
    this.#showImage(file ?? item.contentUrl);
    const { name, image } = this.#parts;
    if (name.textContent !== item.name) {
      name.textContent = item.name;
      name.title = item.name;
      image.alt = item.name;
      this.#parts.delete.setAttribute('aria-label', `Delete ${item.name}`);
      this.#parts.retry.setAttribute('aria-label', `Try again: ${item.name}`);
    }
    const changed = item.phase !== this.#item?.phase;
    this.#item = item;
    this.element.dataset.phase = item.phase;
    this.element.dataset.id = item.id ?? '';
    this.element.classList.toggle('deleting', item.deleting);
    this.element.classList.toggle('trouble', item.error !== null);
    this.#showProgress(item);
    if (item.phase !== 'done') this.#showWait(item);
    else if (changed) this.#showAnswer(item);
    this.#parts.retry.hidden = !canRetry(item);
  }

  remove() {
    this.#release();
    this.element.remove();
  }

  focusDelete() {
    this.#parts.delete.focus();
  }

  #showImage(source) {
    // A local file stays the source when the server's address comes to be known.
    if (!source || source === this.#source || this.#source instanceof File) return;
    this.#source = source;
    if (source instanceof File) {
      this.#objectUrl = URL.createObjectURL(source);
      this.#parts.image.src = this.#objectUrl;
    } else {
      this.#parts.image.src = source;
    }
  }

  #release() {
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = null;
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
    const words = item.error ? sentence(item.error.detail) : item.note;
    detail.textContent = words;
    detail.hidden = !words;
    meta.textContent = item.phase === 'assigned' && item.attempts > 1
      ? `attempt ${item.attempts}` : '';
  }

  #showAnswer({ top, unsure, totalMs, worker, model }) {
    const parts = this.#parts;
    const best = labelText(top[0]?.label);
    parts.title.textContent = top.length > 0 ? best.short : 'No answer';
    parts.title.title = best.full;
    parts.score.textContent = top.length > 0 ? percent(top[0].score) : '';
    parts.unsure.hidden = !unsure;
    this.element.classList.toggle('unsure', unsure);
    parts.detail.hidden = true;
    parts.ranks.replaceChildren(...top.map(rankElement));
    parts.ranks.hidden = top.length === 0;
    parts.meta.textContent = [duration(totalMs ?? NaN), worker, model].filter(Boolean).join(' · ');
  }
}

function titleOf({ phase, progress, error }) {
  if (phase === 'uploading') return progress < 1 ? `Sending… ${Math.floor(progress * 100)}%` : 'Sent';
  return TITLES[error?.kind ?? phase];
}

function rankElement({ label, score }) {
  const { short, full } = labelText(label);
  const row = document.createElement('li');
  row.className = 'rank';
  row.title = full;
  row.style.setProperty('--score', String(clampScore(score)));
  const name = document.createElement('span');
  name.className = 'rank-name';
  name.textContent = short;
  const value = document.createElement('span');
  value.className = 'rank-score';
  value.textContent = percentFine(score);
  row.append(name, value);
  return row;
}

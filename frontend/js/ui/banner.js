// Owns the place for messages about the whole page: connection lost, no worker there.

import { plural, readyWorkers } from '../format.js';
import { counts } from '../state.js';

function message(state) {
  const { open, unsent } = counts(state);
  if (state.connection === 'lost') {
    const later = unsent > 0
      ? ` Keep this page open: ${plural(unsent, 'photo')} will be sent when it is back.` : '';
    return ['lost', 'Connection lost, retrying…', `Your photos are safe.${later}`];
  }
  if (state.connection === 'open' && state.cluster && readyWorkers(state.cluster) === 0) {
    return ['workers', 'Waiting for workers.', open > 0
      ? 'None is connected. Your photos are kept and recognized as soon as one is.'
      : 'None is connected. You can add photos already: they are kept until one is.'];
  }
  return null;
}

export class Banner {
  #element;
  #shown = '';

  /** onRetry: the person does not want to wait for the next try. */
  constructor(element, { onRetry }) {
    this.#element = element;
    this.onRetry = onRetry;
  }

  update(state) {
    const next = message(state);
    if (String(next) === this.#shown) return;
    this.#shown = String(next);
    this.#element.replaceChildren(...(next ? [this.#build(...next)] : []));
  }

  #build(kind, title, text) {
    const banner = document.createElement('div');
    banner.className = `banner ${kind}`;
    const words = document.createElement('p');
    const strong = document.createElement('strong');
    strong.textContent = title;
    words.append(strong, ` ${text}`);
    banner.append(words);
    if (kind === 'lost') {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'button small';
      button.textContent = 'Retry now';
      button.addEventListener('click', this.onRetry);
      banner.append(button);
    }
    return banner;
  }
}

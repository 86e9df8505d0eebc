// Owns the place for messages about the whole page: token needed, connection lost, photos lost,
// no worker there.

import { plural, readyWorkers } from '../format.js';
import { counts } from '../state.js';
import { button, element } from './element.js';

function message(state) {
  const { open, unsent } = counts(state);
  if (state.locked) {
    return ['locked', 'Access token needed.', 'This server answers only those who have its token.'];
  }
  if (state.connection === 'lost') {
    const later = unsent > 0
      ? ` Keep this page open: ${plural(unsent, 'photo')} will be sent when it is back.` : '';
    return ['lost', 'Connection lost, retrying…', `Your photos are safe.${later}`];
  }
  if (state.unsentLost > 0) {
    const [were, them] = state.unsentLost === 1 ? ['was', 'it'] : ['were', 'them'];
    return ['unsent', `${plural(state.unsentLost, 'photo')} ${were} not sent`,
            `before this page was left or reloaded. Choose ${them} again.`];
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

  /** onRetry: not to wait for the next try; onUnlock: to enter the access token; onSeen: that
   *  photos were lost. */
  constructor(element, { onRetry, onUnlock, onSeen }) {
    this.#element = element;
    this.buttons = { lost: ['Retry now', onRetry], locked: ['Enter token', onUnlock],
                     unsent: ['OK', onSeen] };
  }

  update(state) {
    const next = message(state);
    if (String(next) === this.#shown) return;
    this.#shown = String(next);
    this.#element.replaceChildren(...(next ? [this.#build(...next)] : []));
  }

  #build(kind, title, text) {
    const banner = element('div', `banner ${kind}`,
                           element('p', '', element('strong', '', title), ` ${text}`));
    if (this.buttons[kind]) banner.append(button('button small', ...this.buttons[kind]));
    return banner;
  }
}

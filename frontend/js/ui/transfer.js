// Owns the line about what is being sent and what went wrong: pause, cancel, try again.

import { plural } from '../format.js';

export class Transfer {
  #root;
  #text;
  #pause;
  #cancel;
  #retry;
  #paused = false;

  /** callbacks: {onPause(on), onCancel(), onRetryAll()} */
  constructor(root, callbacks) {
    const part = (name) => root.querySelector(`.transfer-${name}`);
    this.#root = root;
    this.#text = part('text');
    this.#pause = part('pause');
    this.#cancel = part('cancel');
    this.#retry = part('retry');
    this.#pause.addEventListener('click', () => callbacks.onPause(!this.#paused));
    this.#cancel.addEventListener('click', callbacks.onCancel);
    this.#retry.addEventListener('click', callbacks.onRetryAll);
  }

  update({ tally: { unsent, retryable }, paused }) {
    this.#paused = paused;
    const had = this.#root.contains(document.activeElement);
    this.#root.hidden = unsent === 0 && retryable === 0;
    const words = [
      unsent > 0 ? `${paused ? 'Paused: ' : ''}${plural(unsent, 'photo')} to send` : '',
      retryable > 0 ? `${retryable} to try again` : '',
    ];
    this.#text.textContent = words.filter(Boolean).join(' · ');
    this.#pause.hidden = this.#cancel.hidden = unsent === 0;
    this.#pause.textContent = paused ? 'Resume' : 'Pause';
    this.#retry.hidden = retryable === 0;
    // The button that was pressed may be gone now; the focus must be somewhere.
    if (had && !this.#hasVisibleFocus()) document.getElementById('photos').focus();
  }

  #hasVisibleFocus() {
    return !this.#root.hidden && this.#root.contains(document.activeElement) &&
      !document.activeElement.hidden;
  }
}

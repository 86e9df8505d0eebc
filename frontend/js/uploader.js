// Sends files, a few at a time, one per request. A lost connection postpones, it does not fail; a
// busy server (429, 503) is left alone for as long as it asks for.

import { backoff } from './socket.js';

const PARALLEL = 3;
const MAX_TRIES = 5;          // per file, while the server is known to be reachable
const BUSY_PAUSE_MS = 2_000;  // where a busy server does not say how long

export class Uploader {
  #queue = [];          // jobs {key, file, place, tries, idempotencyKey}, in order of place
  #active = new Map();  // key → AbortController
  #places = 0;
  #online = false;
  #stopped = false;     // by the person
  #pausedBy = null;     // 'busy' | 'network' while #pauseTimer runs
  #pauseTimer;
  #pauses = 0;          // in a row without a success, for the back-off

  /**
   * @param send     (file, {idempotencyKey, onProgress, signal}) → Promise<IMAGE>
   * @param onEvent  takes one of state.js's upload-* actions
   */
  constructor({ send, onEvent }) {
    Object.assign(this, { send, onEvent });
  }

  /** Files to send, in this order: [{key, file}]. */
  add(files) {
    for (const { key, file } of files) {
      const place = this.#places++;
      this.#queue.push({ key, file, place, tries: 0, idempotencyKey: randomKey() });
    }
    this.#pump();
  }

  /** Forgets a file, also in the middle of sending. */
  cancel(key) {
    this.#queue = this.#queue.filter((job) => job.key !== key);
    const controller = this.#active.get(key);
    this.#active.delete(key);
    controller?.abort();
    this.#pump();
  }

  /** Forgets every file that is not sent yet. */
  cancelAll() {
    const controllers = [...this.#active.values()];
    this.#queue = [];
    this.#active.clear();
    for (const controller of controllers) controller.abort();
  }

  /** Whether the person wants nothing more to be begun; what is on its way is finished. */
  setPaused(paused) {
    this.#stopped = paused;
    this.#pump();
  }

  /** Whether the server can be reached, as far as the page knows. Nothing is begun while not. */
  setOnline(online) {
    if (online && !this.#online) {
      for (const job of this.#queue) job.tries = 0;
      if (this.#pausedBy === 'network') this.#resume();
    }
    this.#online = online;
    this.#pump();
  }

  #pump() {
    while (this.#mayBegin() && this.#queue.length > 0) this.#begin(this.#queue.shift());
  }

  #mayBegin() {
    return this.#online && !this.#stopped && !this.#pausedBy && this.#active.size < PARALLEL;
  }

  async #begin(job) {
    const { key, file, idempotencyKey } = job;
    const controller = new AbortController();
    const { signal } = controller;
    this.#active.set(key, controller);
    this.onEvent({ type: 'upload-started', key });
    const onProgress = (fraction) => {
      if (!signal.aborted) this.onEvent({ type: 'upload-progress', key, fraction });
    };
    let image;
    let failure;
    try {
      image = await this.send(file, { idempotencyKey, onProgress, signal });
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return;
    this.#active.delete(key);
    if (image) {
      this.#pauses = 0;
      this.onEvent({ type: 'upload-accepted', key, image });
    } else {
      this.#fail(job, failure);
    }
    this.#pump();
  }

  #fail(job, { kind, status, code, detail, retryAfterMs }) {
    if (kind === 'busy') {
      this.#postpone(job, 'The server is busy.');
      this.#pause('busy', retryAfterMs ?? BUSY_PAUSE_MS);
    } else if (kind === 'network' && this.#mayTryAgain(job)) {
      this.#postpone(job, 'Waiting for the connection.');
      this.#pause('network', backoff(this.#pauses++));
    } else {
      const error = kind === 'network'
        ? { kind, code, detail: 'It could not be sent, though the server can be reached. It may be ' +
                                'too large, or have changed on your disk.' }
        // 5xx is the server's trouble, not the file's: trying again may help.
        : { kind: status >= 500 ? 'network' : 'rejected', code, detail };
      this.onEvent({ type: 'upload-rejected', key: job.key, error });
    }
  }

  #mayTryAgain(job) {
    if (this.#online) job.tries += 1;
    return job.tries < MAX_TRIES;
  }

  #postpone(job, note) {
    const behind = this.#queue.findIndex((other) => other.place > job.place);
    this.#queue.splice(behind < 0 ? this.#queue.length : behind, 0, job);
    this.onEvent({ type: 'upload-postponed', key: job.key, note });
  }

  #pause(reason, ms) {
    if (this.#pausedBy === 'busy') return;  // the server's own word counts
    clearTimeout(this.#pauseTimer);
    this.#pausedBy = reason;
    this.#pauseTimer = setTimeout(() => {
      this.#resume();
      this.#pump();
    }, ms);
  }

  #resume() {
    clearTimeout(this.#pauseTimer);
    this.#pausedBy = null;
  }
}

// 128 random bits. (crypto.randomUUID exists on https and localhost only.)
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Owns what the page says about itself: the connection, the manager, and that no worker is there.

import { age, count } from '../figures.js';
import { isStale } from '../state.js';
import { wireText } from '../wire.js';
import { make, setText } from './element.js';

const clock = (at) => new Date(at).toLocaleTimeString('en-GB');

/** The message over the page while there is no connection. */
export class ConnectionBanner {
  #element;
  #shown = 'null';

  /** onRetry: not to wait for the next try; onUnlock: to enter the access token. */
  constructor(element, { onRetry, onUnlock }) {
    this.#element = element;
    this.buttons = { lost: ['Retry now', onRetry], locked: ['Enter token', onUnlock] };
  }

  update(state) {
    const since = state.cluster === null ? 'Nothing is known of the cluster yet.'
      : `What is shown is as it was at ${clock(state.heardAt)}.`;
    const next = { lost: ['Connection lost, retrying…', since], locked: ['Access token needed.', since] }[
      state.connection] ?? null;
    if (String(next) === this.#shown) return;
    this.#shown = String(next);
    this.#element.replaceChildren(...(next ? [this.#build(state.connection, ...next)] : []));
  }

  #build(kind, title, text) {
    const banner = make('div', `banner ${kind}`);
    const words = make('p');
    words.append(make('strong', '', title), ` ${text}`);
    const [label, onClick] = this.buttons[kind];
    const button = make('button', 'button small', label);
    button.type = 'button';
    button.addEventListener('click', onClick);
    banner.append(words, button);
    return banner;
  }
}

/** The dot in the header: are the figures of this moment? */
export class LiveMark {
  #element;
  #text;

  constructor(element) {
    this.#element = element;
    this.#text = element.firstElementChild;
  }

  update(state) {
    const quiet = state.connection === 'open' && isStale(state);
    this.#element.dataset.connection = quiet ? 'quiet' : state.connection;
    setText(this.#text, quiet ? `no news for ${age((state.now - state.heardAt) / 1000)}`
      : { open: 'live', lost: 'not connected', locked: 'no access' }[state.connection] ?? 'connecting…');
  }
}

/** The line under the title. */
export class Headline {
  #element;

  constructor(element) {
    this.#element = element;
  }

  update({ cluster }) {
    if (cluster === null) return;
    const { model } = cluster;
    setText(this.#element, model?.name
      ? `Model ${model.name}, ${count(model.classes)} classes` : 'No model yet: it comes with the first worker');
  }
}

/** What all workers' connections carry together. */
export class WireLine {
  #element;

  constructor(element) {
    this.#element = element;
  }

  update(state) {
    setText(this.#element, wireText(state));
  }
}

/** How to start a worker, while there is none. */
export class EmptyNote {
  #section;
  #command;
  #note;

  constructor({ section, command, note }) {
    this.#section = section;
    this.#command = command;
    this.#note = note;
  }

  update({ cluster, workers }) {
    this.#section.hidden = cluster === null || workers.length > 0;
    if (this.#section.hidden) return;
    const { port = 2888, tls = false, token = false } = cluster.join ?? {};
    const options = [token && '--worker-token-file FILE', tls && '--worker-tls'].filter(Boolean);
    setText(this.#command, [`imgrec-worker --manager ${location.hostname}:${port} --model FOLDER`,
                            ...options].join(' '));
    setText(this.#note, token ? 'FILE holds the join token that this manager asks for. It appears here '
      + 'the moment it has joined.' : 'It appears here the moment it has joined.');
  }
}

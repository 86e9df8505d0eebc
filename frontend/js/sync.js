// Keeps the state in step with the server: the history at first, the socket's news from then on,
// and after each reconnect what was missed.

import { Beginning, LiveSocket } from './socket.js';
import { openIds } from './state.js';

const FIRST_PAGE = 48;    // photos of history before anything else happens
const PAGE = 200;         // per request from then on
const READ_AHEAD = 5_000; // photos that are read unasked; there is a button for more

export class Sync {
  #store;
  #api;
  #onOnline;
  #socket;
  #beginning = new Beginning();
  #refreshing = false;
  #history = null;  // the promise of the reading under way

  /** onOnline(online): whether the server can be reached. */
  constructor({ store, api, onOnline }) {
    this.#store = store;
    this.#api = api;
    this.#onOnline = onOnline;
    this.#socket = new LiveSocket({
      lastSeq: () => store.state.lastSeq,
      onMessage: (message) => store.dispatch({ type: 'message', message }),
      onStatus: (status) => this.#onConnection(status),
      page: globalThis.window,
    });
  }

  // Nothing else is asked before the first answer is here.
  async begin() {
    await this.#beginning.run(async () => {
      const page = await this.#api.listImages(FIRST_PAGE);
      this.#store.dispatch({ type: 'page-loaded', ...page });
    }, () => this.#store.dispatch({ type: 'connection', status: 'lost' }));
    this.#onOnline(true);
    this.#socket.connect();
  }

  /** Now instead of after a pause. */
  connect() {
    if (this.#beginning.isOver()) this.#socket.connect();
  }

  get isReading() {
    return this.#history !== null;
  }

  /** Reads older photos: as many as are read unasked, or all there are. Throws an ApiError. */
  async readHistory({ all = false } = {}) {
    while (this.#history) await this.#history.catch(() => {});
    this.#history = this.#readPages(all ? Infinity : READ_AHEAD);
    try {
      await this.#history;
    } finally {
      this.#history = null;
    }
  }

  async #readPages(most) {
    let { cursor, items } = this.#store.state;
    while (cursor && items.size < most) {
      const from = cursor;
      const page = await this.#api.patiently(() => this.#api.listImages(PAGE, from));
      this.#store.dispatch({ type: 'page-loaded', ...page });
      ({ cursor, items } = this.#store.state);
    }
  }

  /** One more page, on the person's word. */
  async readMore() {
    const { cursor } = this.#store.state;
    if (!cursor) return;
    const page = await this.#api.listImages(PAGE, cursor);
    this.#store.dispatch({ type: 'page-loaded', ...page });
  }

  #onConnection(status) {
    this.#store.dispatch({ type: 'connection', status });
    this.#onOnline(status === 'open');
    // Also while it is lost: where only the socket fails, plain requests still bring the results.
    this.#refresh();
    if (status === 'open') this.readHistory().catch(() => {});  // the next connection tries again
  }

  async #refresh() {
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      await this.#readOpenImages();
      this.#onOnline(true);
    } catch { /* still no connection; the socket goes on trying */ } finally {
      this.#refreshing = false;
    }
  }

  // Re-reads, newest first, until every image whose result is awaited has been seen.
  async #readOpenImages() {
    const awaited = new Set(openIds(this.#store.state));
    let cursor = null;
    do {
      const page = await this.#api.listImages(PAGE, cursor);
      this.#store.dispatch({ type: 'snapshot', images: page.images });
      for (const image of page.images) awaited.delete(image.id);
      ({ cursor } = page);
    } while (cursor && awaited.size > 0);
    if (awaited.size > 0) this.#store.dispatch({ type: 'gone', ids: [...awaited] });
  }
}

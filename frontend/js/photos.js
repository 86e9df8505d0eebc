// What a person does with photos: adds, retries, cancels and deletes them. Owns the local files and
// the uploader; everything that becomes of a photo goes into the store.

import { plural } from './format.js';
import { canRetry, unsent } from './items.js';
import { Uploader } from './uploader.js';

const PARALLEL_DELETES = 4;

export class Photos {
  files = new Map();      // item key → File, of the photos chosen on this page
  #replaced = new Map();  // item key → id of the failed image that a retry replaces
  #nextKey = 1;
  #store;
  #api;
  #say;
  #uploader;

  /** say(text): tells the person something that no card shows. */
  constructor({ store, api, say }) {
    this.#store = store;
    this.#api = api;
    this.#say = say;
    this.#uploader = new Uploader({ send: api.uploadFile, onEvent: (event) => this.#onUpload(event) });
  }

  setOnline(online) {
    this.#uploader.setOnline(online);
  }

  setPaused(on) {
    this.#uploader.setPaused(on);
    this.#store.dispatch({ type: 'paused', on });
  }

  add(chosen) {
    const batch = chosen.map((file) => ({ key: `local-${this.#nextKey++}`, file }));
    for (const { key, file } of batch) this.files.set(key, file);
    this.#store.dispatch({
      type: 'files-added',
      // Not their sizes: a browser asks the disk for each of them, a second for three thousand.
      files: batch.map(({ key, file }) => ({ key, name: file.name })),
    });
    this.#uploader.add(batch);
  }

  async retry(key) {
    const item = this.#store.state.items.get(key);
    if (!item || !canRetry(item)) return;
    this.#store.dispatch({ type: 'retry', key });
    if (item.id) this.#replaced.set(key, item.id);
    try {
      // After a reload the page has no file any more, but the server has.
      const file = this.files.get(key) ?? await this.#api.fetchContent(item.contentUrl, item.name);
      if (!this.#store.state.items.has(key)) return;  // deleted meanwhile
      this.files.set(key, file);
      this.#uploader.add([{ key, file }]);
    } catch (error) {
      this.#onUpload({ type: 'upload-rejected', key,
                       error: { kind: 'network', code: error.code, detail: error.detail } });
    }
  }

  // One after the other: after a reload each of them is fetched from the server first.
  async retryAll() {
    const { order, items } = this.#store.state;
    const keys = order.filter((one) => canRetry(items.get(one))).reverse();  // the oldest first
    for (const key of keys) await this.retry(key);
  }

  /** Forgets what is not sent yet. */
  cancelUnsent() {
    const { order, items } = this.#store.state;
    const keys = order.filter((key) => unsent(items.get(key)));
    this.#uploader.cancelAll();
    for (const key of keys) this.#forget(key);
    this.#say(`${plural(keys.length, 'photo')} not sent.`);
    this.setPaused(false);
  }

  async remove(key) {
    const name = this.#store.state.items.get(key)?.name;
    const failure = await this.#removeOne(key);
    this.#say(failure ? `${name} was not deleted. ${failure}` : `${name} deleted.`);
  }

  async removeAll(keys) {
    const left = [...keys].reverse();  // popped from the end: the first photo goes first
    let gone = 0;
    let failure = null;
    const work = async () => {
      while (left.length > 0) {
        const problem = await this.#removeOne(left.pop());
        if (problem) failure = problem;
        else gone += 1;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_DELETES }, work));
    this.#say(`${plural(gone, 'photo')} deleted.`);
    if (failure) this.#say(`${plural(keys.length - gone, 'photo')} could not be deleted. ${failure}`);
  }

  /** The reason why it was not deleted, null where it is gone. */
  async #removeOne(key) {
    const item = this.#store.state.items.get(key);
    if (!item || item.deleting) return null;
    this.#uploader.cancel(key);
    if (item.id && item.error?.kind !== 'gone') {
      this.#store.dispatch({ type: 'deleting', key, on: true });
      try {
        await this.#api.patiently(() => this.#api.deleteImage(item.id));
      } catch (error) {
        if (error.status !== 404) {
          this.#store.dispatch({ type: 'deleting', key, on: false });
          return error.detail;
        }
      }
    }
    this.#forget(key);
    return null;
  }

  #forget(key) {
    this.files.delete(key);
    this.#replaced.delete(key);
    this.#store.dispatch({ type: 'removed', key });
  }

  #onUpload(action) {
    this.#store.dispatch(action);
    const { type, key } = action;
    if (type === 'upload-rejected') {
      this.#say(`${this.#store.state.items.get(key)?.name}: ${action.error.detail}`);
    }
    if (type === 'upload-accepted' && this.#replaced.has(key)) {
      this.#api.deleteImage(this.#replaced.get(key)).catch(() => {});  // it shows up again at worst
      this.#replaced.delete(key);
    }
  }
}

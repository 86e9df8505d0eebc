// A state while a batch of actions changes it. However many there are, each collection is copied
// once, before the first write to it, and the order is put together once, at the end.

import { compareTexts } from './format.js';
import { BLANK, count, fieldsOf, onServer, settled } from './items.js';

// The same order while photos are sent as after a reload: what the server has goes by the time at
// which it was accepted, equal times by id. In front of it is what the server does not have; there
// the last chosen is the first.
function newestFirst(order, items) {
  const here = order.filter((key) => items.get(key).created === null);
  const there = order.map((key) => items.get(key)).filter(({ created }) => created !== null);
  there.sort((a, b) => compareTexts(b.created, a.created) || compareTexts(b.id, a.id));
  return [...here, ...there.map(({ key }) => key)];
}

export class Draft {
  #before;
  #added = [];       // keys that are not in the order yet, in the order of their coming
  #moved = false;    // what the order goes by has changed
  #removed = false;

  constructor(state) {
    Object.assign(this, state);
    this.#before = state;
  }

  own(name) {
    if (this[name] === this.#before[name]) {
      const { constructor } = this[name];
      this[name] = constructor === Object ? { ...this[name] } : new constructor(this[name]);
    }
    return this[name];
  }

  result() {
    this.#finishOrder();
    const changed = Object.keys(this).some((name) => this[name] !== this.#before[name]);
    return changed ? { ...this } : this.#before;
  }

  #finishOrder() {
    if (this.#added.length === 0 && !this.#moved && !this.#removed) return;
    const order = [...this.#added.reverse(), ...this.order].filter((key) => this.items.has(key));
    this.order = this.#added.length > 0 || this.#moved ? newestFirst(order, this.items) : order;
  }

  /** Every write to an item goes through here, so that the counts are right. */
  #put(key, item) {
    const tally = this.own('tally');
    const old = this.items.get(key);
    if (old && item && old.created !== item.created) this.#moved = true;
    if (old) count(tally, old, -1);
    if (item) count(tally, item, 1);
    if (item) this.own('items').set(key, item);
    else this.own('items').delete(key);
  }

  patch(key, fields) {
    const item = this.items.get(key);
    if (item) this.#put(key, { ...item, ...fields });
  }

  itemOf(id) {
    return this.items.get(this.keyOf.get(String(id)));
  }

  unlink(id) {
    if (!id) return;
    this.own('keyOf').delete(id);
    this.own('deleted').add(id);
  }

  remove(key) {
    const item = this.items.get(key);
    if (!item) return;
    this.unlink(item.id);
    this.#put(key, null);
    if (this.selected.has(key)) this.own('selected').delete(key);
    this.#removed = true;
  }

  /** An image that was deleted: its item, or what is kept for an upload on its way. */
  forget(id) {
    const text = String(id);
    if (this.keyOf.has(text)) this.remove(this.keyOf.get(text));
    else if (this.expecting()) this.own('deleted').add(text);
    if (this.early.has(text)) this.own('early').delete(text);
  }

  /** Photos of this page, in the order chosen: the last is the newest. */
  addLocal(files) {
    for (const { key, name } of files) this.#put(key, { ...BLANK, key, name });
    for (const { key } of files) this.#added.push(key);
  }

  /** Images as items of their own. */
  insert(images) {
    for (const image of images) {
      const fields = fieldsOf(image);
      if (this.keyOf.has(fields.id) || this.deleted.has(fields.id)) continue;
      const key = `server-${fields.id}`;
      this.#put(key, { ...BLANK, key, ...fields });
      this.own('keyOf').set(fields.id, key);
      this.#added.push(key);
    }
  }

  /** Brings a known item up to date with the server's IMAGE. */
  merge(item, image) {
    if (settled(item)) return;
    const fields = fieldsOf(image);
    const same = ['phase', 'worker', 'attempts'].every((name) => item[name] === fields[name]);
    if (!same) this.patch(item.key, { ...fields, name: item.name });
  }

  hint(item, { state, attempts, worker }) {
    if (onServer(item) && onServer({ phase: state })) {
      this.patch(item.key, { phase: state, attempts: Number(attempts) || 0, worker });
    }
  }

  /** While a photo is on its way whose id is unknown, news of an unknown id may be about it. */
  expecting() {
    return this.tally.unsent > 0;
  }

  keep(id, news) {
    this.own('early').set(id, { ...this.early.get(id), ...news });
  }

  /** News: for its item, or kept for an upload on its way, or a card of its own. */
  adopt(image) {
    const id = String(image.id);
    const item = this.itemOf(id);
    if (item) this.merge(item, image);
    else if (this.expecting() && !this.deleted.has(id)) this.keep(id, { image });
    else this.insert([image]);
  }

  /** When nothing is on its way any more, what is left of the early news came from another tab. */
  release() {
    if (this.early.size === 0 || this.expecting()) return;
    const images = [...this.early.values()].flatMap((news) => news.image ?? []);
    this.early = new Map();
    this.insert(images);
  }
}

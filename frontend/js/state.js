// What the page knows, as a pure reducer: reduce(state, action) → state. No DOM, no network.
//
// A photo is an item with a key of the page's own; once the server has accepted it, it has an id
// too. Its phase goes
//
//   waiting ⇄ uploading → queued ⇄ assigned → done | failed
//                       ↘ rejected
//
// done, failed and rejected are settled; only a retry leaves the last two. Results come over two
// roads (socket and REST), possibly twice and in any order: a settled item is not changed by them,
// and where nothing changes the same state object comes back.

export const initialState = Object.freeze({
  items: new Map(),          // key → item
  order: [],                 // keys as shown: newest batch first, inside it as chosen
  keyOf: new Map(),          // server id → key
  deleted: new Set(),        // ids deleted here; late news of them is ignored
  early: new Map(),          // id → {hint?, image?}: news of an id while an upload awaits its own
  lastSeq: 0,                // newest result seen, for ?after=
  connection: 'connecting',  // 'connecting' | 'open' | 'lost'
  cluster: null,             // the newest cluster figures
  cursor: null,              // of the next page of history
  loaded: false,             // the first page of history is there
});

const BLANK = {
  id: null, phase: 'waiting', progress: 0, note: '', top: [], unsure: false, model: null,
  worker: null, attempts: 0, totalMs: null, error: null, contentUrl: null, deleting: false,
};
const onServer = ({ phase }) => phase === 'queued' || phase === 'assigned';
const settled = ({ phase }) => phase === 'done' || phase === 'failed';
const unsent = ({ phase }) => phase === 'waiting' || phase === 'uploading';

// A state being changed: collections are copied before the first write to each.
class Draft {
  constructor(state) {
    Object.assign(this, state);
    Object.defineProperty(this, 'before', { value: state });
  }

  own(name) {
    if (this[name] === this.before[name]) this[name] = new this[name].constructor(this[name]);
    return this[name];
  }

  result() {
    const changed = Object.keys(this).some((name) => this[name] !== this.before[name]);
    return changed ? { ...this } : this.before;
  }

  patch(key, fields) {
    const item = this.items.get(key);
    if (item) this.own('items').set(key, { ...item, ...fields });
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
    this.own('items').delete(key);
    this.order = this.order.filter((other) => other !== key);
  }

  /** Images as items of their own, before or behind all others. */
  insert(images, inFront) {
    const keys = [];
    for (const image of images) {
      const fields = fieldsOf(image);
      if (this.keyOf.has(fields.id) || this.deleted.has(fields.id)) continue;
      const key = `server-${fields.id}`;
      this.own('items').set(key, { ...BLANK, key, ...fields });
      this.own('keyOf').set(fields.id, key);
      keys.push(key);
    }
    if (keys.length > 0) this.order = inFront ? [...keys, ...this.order] : [...this.order, ...keys];
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
    return [...this.items.values()].some(unsent);
  }

  keep(id, news) {
    this.own('early').set(id, { ...this.early.get(id), ...news });
  }

  /** News: for its item, or kept for an upload on its way, or a card of its own. */
  adopt(image) {
    const id = String(image.id);
    const item = this.itemOf(id);
    if (item) this.merge(item, image);
    else if (this.expecting()) this.keep(id, { image });
    else this.insert([image], true);
  }

  /** When nothing is on its way any more, what is left of the early news came from another tab. */
  release() {
    if (this.early.size === 0 || this.expecting()) return;
    const images = [...this.early.values()].flatMap((news) => news.image ?? []);
    this.early = new Map();
    this.insert(images.reverse(), true);
  }
}

// The fields of an item that the server's IMAGE says. Outside data: nothing is taken on trust.
function fieldsOf(image) {
  const failed = image.state === 'failed';
  const url = String(image.content_url ?? '');
  return {
    id: String(image.id),
    name: String(image.name ?? ''),
    phase: ['assigned', 'done', 'failed'].includes(image.state) ? image.state : 'queued',
    note: '',
    top: Array.isArray(image.top) ? image.top.filter(Boolean).slice(0, 5) : [],
    unsure: image.unsure === true,
    model: image.model ?? null,
    worker: image.worker ?? null,
    attempts: Number(image.attempts) || 0,
    totalMs: image.timing_ms?.total ?? null,
    error: failed ? { ...image.error, kind: 'failed' } : null,
    contentUrl: /^\/[^/]/.test(url) ? url : null,  // on this server only
  };
}

const messages = {
  // Nothing seen yet: results up to here are read over REST. Less than we saw: other data now.
  hello(draft, { seq }) {
    if (draft.lastSeq === 0 || seq < draft.lastSeq) draft.lastSeq = Number(seq) || 0;
  },

  image(draft, { seq, image }) {
    if (!image?.id) return;
    draft.adopt(image);
    draft.lastSeq = Math.max(draft.lastSeq, Number(seq) || 0);
  },

  state(draft, hint) {
    const id = String(hint.id);
    const item = draft.itemOf(id);
    if (item) draft.hint(item, hint);
    else if (draft.expecting() && !draft.deleted.has(id)) draft.keep(id, { hint });
  },

  deleted(draft, { id }) {
    draft.remove(draft.keyOf.get(String(id)));
    draft.release();
  },

  cluster(draft, { cluster }) {
    draft.cluster = cluster ?? null;
  },
};

const actions = {
  /** files: [{key, name}], in the order chosen. They go in front of what is there. */
  'files-added'(draft, { files }) {
    for (const { key, name } of files) draft.own('items').set(key, { ...BLANK, key, name });
    draft.order = [...files.map(({ key }) => key), ...draft.order];
  },

  'upload-started'(draft, { key }) {
    draft.patch(key, { phase: 'uploading', progress: 0, note: '' });
  },

  'upload-progress'(draft, { key, fraction }) {
    if (draft.items.get(key)?.phase === 'uploading') draft.patch(key, { progress: fraction });
  },

  /** It will be tried again; `note` says why it waits. */
  'upload-postponed'(draft, { key, note }) {
    draft.patch(key, { phase: 'waiting', note });
  },

  'upload-accepted'(draft, { key, image }) {
    const item = draft.items.get(key);
    if (!item) return;
    const id = String(image.id);
    const other = draft.keyOf.get(id);  // made by news of an earlier try that did arrive
    if (other) {
      draft.remove(other);
      draft.own('deleted').delete(id);
    }
    draft.own('keyOf').set(id, key);
    draft.patch(key, { ...fieldsOf(image), name: item.name });
    const news = draft.early.get(id);
    draft.own('early').delete(id);
    if (news?.hint) draft.hint(draft.items.get(key), news.hint);
    if (news?.image) draft.merge(draft.items.get(key), news.image);
    draft.release();
  },

  /** error: {kind: 'rejected'|'network', code, detail} */
  'upload-rejected'(draft, { key, error }) {
    draft.patch(key, { phase: 'rejected', note: '', error });
    draft.release();
  },

  /** It will be sent again from the start, as another image of the server's. */
  retry(draft, { key }) {
    const item = draft.items.get(key);
    draft.unlink(item.id);
    draft.patch(key, { ...BLANK, contentUrl: item.contentUrl });
  },

  deleting(draft, { key, on }) {
    draft.patch(key, { deleting: on });
  },

  removed(draft, { key }) {
    draft.remove(key);
    draft.release();
  },

  /** A page of history, newest first, to be shown behind what is there. */
  'page-loaded'(draft, { images, cursor }) {
    for (const image of images) {
      const item = draft.itemOf(image.id);
      if (item) draft.merge(item, image);
      draft.lastSeq = Math.max(draft.lastSeq, Number(image.seq) || 0);
    }
    draft.insert(images.filter((image) => !draft.early.has(String(image.id))), false);
    Object.assign(draft, { cursor, loaded: true });
  },

  /** Images re-read, newest first: known ones are brought up to date, newer ones adopted. */
  snapshot(draft, { images }) {
    const known = images.findLastIndex((image) => draft.keyOf.has(String(image.id)));
    const end = draft.keyOf.size === 0 ? images.length : known + 1;
    for (const image of images.slice(0, end).reverse()) draft.adopt(image);
  },

  /** The server has no such images (any more). */
  gone(draft, { ids }) {
    const error = { kind: 'gone', code: 'gone', detail: 'The server no longer has this photo.' };
    for (const id of ids) {
      const item = draft.itemOf(id);
      if (item && onServer(item)) draft.patch(item.key, { phase: 'rejected', error });
    }
  },

  connection(draft, { status }) {
    draft.connection = status;
  },

  /** One message of the WebSocket; types that we do not know are a newer server's. */
  message(draft, { message }) {
    if (Object.hasOwn(messages, message.type)) messages[message.type](draft, message);
  },
};

export function reduce(state, action) {
  const draft = new Draft(state);
  actions[action.type](draft, action);
  return draft.result();
}

/** How many items are where; total = done + failed + rejected + open. */
export function counts({ items }) {
  const result = { total: items.size, done: 0, failed: 0, rejected: 0, unsent: 0, open: 0 };
  for (const item of items.values()) {
    if (unsent(item)) result.unsent += 1;
    if (unsent(item) || onServer(item)) result.open += 1;
    else result[item.phase] += 1;
  }
  return result;
}

/** Ids whose result is awaited. */
export function openIds({ items }) {
  return [...items.values()].filter(onServer).map(({ id }) => id);
}

const FINAL = new Set(['not_an_image', 'damaged_image', 'too_many_pixels']);

/** Whether sending it again may help. */
export function canRetry({ phase, error }) {
  if (phase === 'rejected') return error.kind !== 'rejected';
  return phase === 'failed' && !FINAL.has(error.code);
}

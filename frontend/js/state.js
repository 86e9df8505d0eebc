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

import { Draft } from './draft.js';
import { BLANK, fieldsOf, NO_ITEMS, onServer } from './items.js';
import { DEFAULT_VIEW } from './view.js';

export const initialState = Object.freeze({
  items: new Map(),          // key → item
  order: [],                 // keys, newest first: what is not sent yet, then as the server took it
  tally: NO_ITEMS,           // how many items are where
  keyOf: new Map(),          // server id → key
  deleted: new Set(),        // ids known to be deleted; late news of them is ignored
  early: new Map(),          // id → {hint?, image?}: news of an id while an upload awaits its own
  selected: new Set(),       // keys of the photos that are ticked
  view: DEFAULT_VIEW,        // what is shown of them, and in which order
  lastSeq: 0,                // newest result seen, for ?after=
  connection: 'connecting',  // 'connecting' | 'open' | 'lost'
  locked: false,             // the server asks for an access token
  paused: false,             // the person has stopped the sending
  unsentLost: 0,             // photos that were not sent when the page was left before
  cluster: null,             // the newest cluster figures
  model: null,               // of the newest hello, until there are cluster figures
  cursor: null,              // of the next page of history
  loaded: false,             // the first page of history is there
});

const messages = {
  // Nothing seen yet: results up to here are read over REST. Less than we saw: other data now.
  hello(draft, { seq, model }) {
    if (draft.lastSeq === 0 || seq < draft.lastSeq) draft.lastSeq = Number(seq) || 0;
    const name = model?.name ? String(model.name) : null;
    if (draft.model?.name !== name) draft.model = { name };
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
    draft.forget(id);
    draft.release();
  },

  cluster(draft, { cluster }) {
    draft.cluster = cluster ?? null;
  },
};

const actions = {
  /** files: [{key, name}], in the order chosen. The last is the newest. */
  'files-added'(draft, { files }) {
    draft.addLocal(files);
    draft.unsentLost = 0;
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
    } else if (draft.deleted.has(id)) {  // by another tab, before this answer came
      draft.remove(key);
      draft.release();
      return;
    }
    draft.own('keyOf').set(id, key);
    draft.patch(key, { ...fieldsOf(image), name: item.name });
    const news = draft.early.get(id);
    draft.own('early').delete(id);
    if (news?.hint) draft.hint(draft.items.get(key), news.hint);
    if (news?.image) draft.merge(draft.items.get(key), news.image);
    draft.release();
  },

  /** error: {kind: 'rejected'|'network'|'gone', code, detail} */
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

  /** A page of history. */
  'page-loaded'(draft, { images, cursor }) {
    for (const image of images) {
      const item = draft.itemOf(image.id);
      if (item) draft.merge(item, image);
      draft.lastSeq = Math.max(draft.lastSeq, Number(image.seq) || 0);
    }
    draft.insert(images.filter((image) => !draft.early.has(String(image.id))));
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

  'unsent-lost'(draft, { count }) {
    draft.unsentLost = count;
  },

  locked(draft, { on }) {
    draft.locked = on;
  },

  paused(draft, { on }) {
    draft.paused = on;
  },

  /** fields: some of view.js's {query, show, sort}. */
  view(draft, { fields }) {
    const same = Object.entries(fields).every(([name, value]) => draft.view[name] === value);
    if (!same) draft.view = { ...draft.view, ...fields };
  },

  select(draft, { keys, on }) {
    for (const key of keys) {
      if (!draft.items.has(key) || draft.selected.has(key) === on) continue;
      if (on) draft.own('selected').add(key);
      else draft.own('selected').delete(key);
    }
  },

  /** One message of the WebSocket; types that we do not know are a newer server's. */
  message(draft, { message }) {
    if (Object.hasOwn(messages, message.type)) messages[message.type](draft, message);
  },
};

/** The state after a batch of actions; the same object where they change nothing. */
export function reduceAll(state, batch) {
  const draft = new Draft(state);
  for (const action of batch) actions[action.type](draft, action);
  return draft.result();
}

export function reduce(state, action) {
  return reduceAll(state, [action]);
}

/** How many items are where; total = done + failed + rejected + open. */
export function counts({ tally }) {
  return tally;
}

/** Ids whose result is awaited. */
export function openIds({ items }) {
  return [...items.values()].filter(onServer).map(({ id }) => id);
}

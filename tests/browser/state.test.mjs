import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canRetry, count, NO_ITEMS } from '../../frontend/js/items.js';
import {
  counts, initialState, openIds, reduce, reduceAll,
} from '../../frontend/js/state.js';

const TOP = [{ index: 0, label: 'n01440764 tench', score: 0.9 }];

function image(id, state = 'queued', fields = {}) {
  return {
    id, name: `${id}.jpg`, state, content_url: `/api/v1/images/${id}/content`,
    top: state === 'done' ? TOP : [], attempts: state === 'queued' ? 0 : 1, worker: null, seq: null,
    timing_ms: null, error: null, ...fields,
  };
}

/** A page to tell stories with: each verb is one action. */
class Page {
  state = initialState;

  do(type, fields) {
    this.state = reduce(this.state, { type, ...fields });
    return this;
  }

  choose(...keys) { return this.do('files-added', { files: keys.map((key) => ({ key, name: key })) }); }
  start(key) { return this.do('upload-started', { key }); }
  accept(key, of) { return this.do('upload-accepted', { key, image: of }); }
  hears(message) { return this.do('message', { message }); }
  result(id, seq, state = 'done', fields = {}) {
    return this.hears({ type: 'image', seq, image: image(id, state, { seq, ...fields }) });
  }

  item(key) { return this.state.items.get(key); }
  phases() { return this.state.order.map((key) => this.item(key).phase).join(' '); }
  unchangedBy(act) {
    const { state } = this;
    act(this);
    assert.equal(this.state, state);
  }
}

function sent(...keys) {
  const page = new Page().choose(...keys);
  for (const key of keys) page.start(key).accept(key, image(`id-${key}`));
  return page;
}

test('the life of a photo', () => {
  const page = new Page().choose('a');
  assert.equal(page.phases(), 'waiting');
  page.start('a').do('upload-progress', { key: 'a', fraction: 0.5 });
  assert.equal(page.phases(), 'uploading');
  assert.equal(page.item('a').progress, 0.5);
  page.accept('a', image('x'));
  assert.equal(page.phases(), 'queued');
  page.hears({ type: 'state', id: 'x', state: 'assigned', attempts: 1, worker: 'w' });
  assert.equal(page.phases(), 'assigned');
  page.result('x', 7, 'done', { timing_ms: { total: 84 }, unsure: true });
  assert.equal(page.phases(), 'done');
  assert.deepEqual(page.item('a').top, TOP);
  assert.equal(page.item('a').totalMs, 84);
  assert.equal(page.item('a').unsure, true);
  assert.equal(page.state.lastSeq, 7);
});

test('a photo keeps the name that its person gave it', () => {
  assert.equal(sent('a').item('a').name, 'a');
});

test('a second result of the same photo changes nothing', () => {
  const page = sent('a').result('id-a', 1);
  page.unchangedBy(() => page.result('id-a', 1));
  page.unchangedBy(() => page.hears({ type: 'state', id: 'id-a', state: 'queued', attempts: 9 }));
  page.unchangedBy(() => page.do('snapshot', { images: [image('id-a', 'assigned')] }));
  page.result('id-a', 2, 'failed');
  assert.equal(page.phases(), 'done');
});

test('results before their own 202 wait for it', () => {
  const page = new Page().choose('a', 'b').start('a').start('b');
  page.hears({ type: 'state', id: 'x', state: 'assigned', attempts: 1, worker: 'w' });
  page.result('y', 3);
  assert.equal(page.phases(), 'uploading uploading');
  page.accept('a', image('x')).accept('b', image('y'));
  assert.equal(page.phases(), 'done assigned');
  assert.equal(page.item('a').worker, 'w');
  assert.equal(page.state.items.size, 2);
});

test('a result of another tab becomes a card, once nothing of ours is on its way', () => {
  const page = new Page().choose('a').start('a').result('other', 3);
  assert.equal(page.state.items.size, 1);
  page.accept('a', image('x'));
  assert.deepEqual(page.state.order, ['server-other', 'a']);
  page.result('third', 4);
  assert.deepEqual(page.state.order, ['server-third', 'server-other', 'a']);
});

test('a photo of another tab that is deleted while ours is on its way never becomes a card', () => {
  const page = new Page().choose('a').start('a').result('other', 3);
  page.hears({ type: 'deleted', id: 'other' });
  page.hears({ type: 'deleted', id: 'unheard' });
  page.do('snapshot', { images: [image('unheard', 'done'), image('other', 'done')] });  // read before
  page.accept('a', image('x'));
  assert.deepEqual(page.state.order, ['a']);
  assert.equal(page.state.early.size, 0);
});

test('a photo that another tab deletes before the answer to its upload is gone', () => {
  const page = new Page().choose('a', 'b').start('a').start('b');
  page.result('x', 3).hears({ type: 'deleted', id: 'x' }).accept('a', image('x'));
  assert.deepEqual(page.state.order, ['b']);
  page.result('other', 4).accept('b', image('y'));
  assert.deepEqual(page.state.order, ['server-other', 'b']);
});

test('a card made by news of a try whose answer was lost gives way to the photo itself', () => {
  const page = new Page().choose('a').result('x', 1);
  page.do('page-loaded', { images: [image('y', 'done')], cursor: null });
  page.do('removed', { key: 'a' });  // releases x as a card of its own
  assert.ok(page.item('server-x'));
  page.choose('b').start('b').accept('b', image('x', 'done'));
  assert.equal(page.item('server-x'), undefined);
  assert.deepEqual(page.state.order, ['b', 'server-y']);
  assert.equal(page.phases(), 'done done');
});

const at = (id, second, state) => image(id, state, { created: `2026-01-01T00:00:0${second}.000Z` });

test('the newest is first: what was chosen last, then what the server took last', () => {
  const page = new Page().do('page-loaded', { images: [at('n', 2), at('o', 1)], cursor: 'c' });
  page.choose('a', 'b').choose('c', 'd');
  assert.deepEqual(page.state.order, ['d', 'c', 'b', 'a', 'server-n', 'server-o']);
  page.do('page-loaded', { images: [at('o', 1), at('p', 0)], cursor: null });
  assert.deepEqual(page.state.order.slice(-2), ['server-o', 'server-p']);
  assert.equal(page.state.cursor, null);
});

test('a reload changes no order, whichever of several uploads the server took first', () => {
  const page = new Page().choose('a', 'b', 'c', 'd', 'e');
  for (const key of ['a', 'b', 'c']) page.start(key);
  page.accept('c', at('3', 4)).accept('a', at('1', 2)).accept('b', at('2', 4));
  page.hears({ type: 'image', seq: 1, image: at('1', 2, 'done') });
  assert.deepEqual(page.state.order, ['e', 'd', 'c', 'b', 'a']);
  page.do('page-loaded', { images: [at('4', 3)], cursor: null });  // another tab's
  assert.deepEqual(page.state.order, ['e', 'd', 'c', 'b', 'server-4', 'a']);
  const ids = page.state.order.map((key) => page.item(key).id).filter(Boolean);
  const again = new Page().do('page-loaded', { images: [at('2', 4), at('3', 4)], cursor: 'c' })
    .do('page-loaded', { images: [at('1', 2), at('4', 3)], cursor: null });
  assert.deepEqual(again.state.order.map((key) => again.item(key).id), ids);
});

test('a page of history tells the newest result', () => {
  const page = new Page().do('page-loaded', {
    images: [image('a', 'done', { seq: 4 }), image('b', 'done', { seq: 9 }), image('c')],
    cursor: null,
  });
  assert.equal(page.state.lastSeq, 9);
  assert.equal(page.phases(), 'queued done done');
});

test('hello: a first number is taken, a resumed one is not, a lower one means other data', () => {
  const page = new Page().hears({ type: 'hello', seq: 12, model: null });
  assert.equal(page.state.lastSeq, 12);
  page.unchangedBy(() => page.hears({ type: 'hello', seq: 20 }));  // 13 to 20 are on their way
  page.hears({ type: 'hello', seq: 3 });
  assert.equal(page.state.lastSeq, 3);
});

test('after a reconnect, what was missed is read; only newer strangers are taken in', () => {
  const page = sent('a', 'b');
  page.do('snapshot', { images: [image('new', 'done'), image('id-b', 'failed'),
    image('id-a', 'assigned'), image('history', 'done')] });
  assert.deepEqual(page.state.order, ['server-new', 'b', 'a']);
  assert.equal(page.phases(), 'done failed assigned');
});

test('photos that the server has lost say so, settled ones stay', () => {
  const page = sent('a', 'b').result('id-b', 1).do('gone', { ids: ['id-a', 'id-b', 'never'] });
  assert.equal(page.phases(), 'done rejected');
  assert.equal(page.item('a').error.kind, 'gone');
  assert.ok(canRetry(page.item('a')));
});

test('a deleted photo does not come back with late news', () => {
  const page = sent('a', 'b').do('removed', { key: 'a' });
  page.result('id-a', 5);
  page.do('snapshot', { images: [image('id-b'), image('id-a', 'done')] });
  page.do('page-loaded', { images: [image('id-a', 'done')], cursor: null });
  assert.deepEqual(page.state.order, ['b']);
  assert.equal(page.state.lastSeq, 5);
});

test('deleted by another tab', () => {
  const page = sent('a', 'b').hears({ type: 'deleted', id: 'id-a' });
  assert.deepEqual(page.state.order, ['b']);
  page.unchangedBy(() => page.hears({ type: 'deleted', id: 'nobody' }));
});

test('a retry is another image; the old one is forgotten', () => {
  const page = sent('a').result('id-a', 1, 'failed', { error: { code: 'quarantined', detail: 'x' } });
  assert.ok(canRetry(page.item('a')));
  page.do('retry', { key: 'a' });
  assert.equal(page.phases(), 'waiting');
  assert.equal(page.item('a').error, null);
  page.start('a').result('id-a', 1, 'failed').accept('a', image('new')).result('new', 2);
  assert.equal(page.phases(), 'done');
  assert.equal(page.state.items.size, 1);
});

test('a retry is offered only where it may help', () => {
  const failed = (code) => ({ phase: 'failed', error: { kind: 'failed', code } });
  assert.ok(canRetry(failed('quarantined')));
  assert.ok(!canRetry(failed('damaged_image')));
  assert.ok(!canRetry({ phase: 'rejected', error: { kind: 'rejected', code: 'not_an_image' } }));
  assert.ok(canRetry({ phase: 'rejected', error: { kind: 'network', code: 'network' } }));
  assert.ok(!canRetry({ phase: 'done', error: null }));
});

test('postponed and refused uploads', () => {
  const page = new Page().choose('a', 'b').start('a').start('b');
  page.do('upload-postponed', { key: 'a', note: 'later' });
  page.do('upload-rejected', { key: 'b', error: { kind: 'rejected', code: 'c', detail: 'd' } });
  assert.equal(page.phases(), 'rejected waiting');
  assert.equal(page.item('a').note, 'later');
  page.start('a');
  assert.equal(page.item('a').note, '');
});

test('the counts always add up', () => {
  const page = sent('a', 'b', 'c').choose('d', 'e').start('d');
  page.result('id-a', 1).result('id-b', 2, 'failed');
  page.do('upload-rejected', { key: 'd', error: { kind: 'rejected', code: 'c', detail: 'd' } });
  assert.deepEqual(counts(page.state),
    { total: 5, done: 1, failed: 1, rejected: 1, unsent: 1, open: 2, retryable: 1 });
  assert.deepEqual(openIds(page.state), ['id-c']);
});

test('what comes from outside is not trusted', () => {
  const page = new Page();
  for (const message of [{ type: 'image' }, { type: 'image', image: {} }, { type: 'unknown' },
    { type: 'toString' }, { type: 'state' }, { type: 'deleted' }]) {
    page.unchangedBy(() => page.hears(message));
  }
  page.hears({ type: 'image', seq: 'x', image: { id: 5, state: 'odd', top: 'none', name: null } });
  assert.equal(page.phases(), 'queued');
  assert.deepEqual(page.item('server-5').top, []);
  for (const bad of ['https://evil.example/x.png', '//evil.example/x.png', 'javascript:alert(1)']) {
    page.hears({ type: 'image', seq: 1, image: image(bad, 'done', { content_url: bad }) });
    assert.equal(page.item(`server-${bad}`).contentUrl, null);
  }
});

test('states are never changed in place', () => {
  const page = sent('a');
  const before = structuredClone(page.state);
  const { state } = page;
  page.choose('b').start('b').result('id-a', 1).do('removed', { key: 'a' })
    .do('connection', { status: 'lost' }).result('strange', 2);
  assert.deepEqual(state, before);
});

/** The counts, item by item. */
function counted({ items }) {
  const tally = { ...NO_ITEMS };
  for (const item of items.values()) count(tally, item, 1);
  return tally;
}

// Random actions on a few photos, the same at every run.
function* story(length) {
  let seed = 7;
  const dice = (sides) => {
    seed = (seed * 48271) % 2147483647;
    return seed % sides;
  };
  for (let step = 0; step < length; step += 1) {
    const [key, id] = [`k${dice(6)}`, `i${dice(6)}`];
    const error = { kind: ['rejected', 'network'][dice(2)], code: 'c', detail: 'd' };
    const state = ['queued', 'assigned', 'done', 'failed'][dice(4)];
    yield [
      { type: 'files-added', files: [{ key: `k${step + 6}`, name: 'new' }] },
      { type: 'upload-started', key },
      { type: 'upload-progress', key, fraction: dice(100) / 100 },
      { type: 'upload-accepted', key, image: image(id, state) },
      { type: 'upload-rejected', key, error },
      { type: 'message', message: { type: 'image', seq: step, image: image(id, state) } },
      { type: 'message', message: { type: 'state', id, state, attempts: 1, worker: 'w' } },
      { type: 'message', message: { type: 'deleted', id } },
      { type: 'removed', key },
      { type: 'page-loaded', images: [image(id, state), image(`h${step}`)], cursor: null },
      { type: 'snapshot', images: [image(id, state)] },
      { type: 'select', keys: [key], on: dice(2) === 0 },
      { type: 'gone', ids: [id] },
    ][dice(13)];
  }
}

function begun() {
  const files = Array.from({ length: 6 }, (_, n) => ({ key: `k${n}`, name: `${n}` }));
  return reduce(initialState, { type: 'files-added', files });
}

test('a batch makes the state that its actions make one by one', () => {
  const actions = [...story(600)];
  let single = begun();
  for (const action of actions) single = reduce(single, action);
  for (const size of [1, 2, 7, 50, 600]) {
    let state = begun();
    for (let from = 0; from < actions.length; from += size) {
      state = reduceAll(state, actions.slice(from, from + size));
    }
    assert.deepEqual(state, single, `batches of ${size}`);
  }
});

test('the counts are those of the items, and order and selection name items only', () => {
  let state = begun();
  for (const action of story(1000)) {
    state = reduce(state, action);
    assert.deepEqual(counts(state), counted(state), action.type);
    assert.deepEqual([...state.order].sort(), [...state.items.keys()].sort(), action.type);
    assert.ok([...state.selected].every((key) => state.items.has(key)));
  }
});

test('three hundred results in one batch copy the items once', () => {
  const page = sent(...Array.from({ length: 300 }, (_, n) => `p${n}`));
  let copies = 0;
  class CountingMap extends Map {
    constructor(from) {
      super(from);
      copies += 1;
    }
  }
  const state = { ...page.state, items: new CountingMap(page.state.items) };
  copies = 0;
  const batch = page.state.order.map((key, n) => ({ type: 'message',
    message: { type: 'image', seq: n + 1, image: image(`id-${key}`, 'done') } }));
  assert.equal(counts(reduceAll(state, batch)).done, 300);
  assert.equal(copies, 1);
});

test('a selection', () => {
  const page = sent('a', 'b', 'c').do('select', { keys: ['a', 'b', 'nobody'], on: true });
  assert.deepEqual([...page.state.selected], ['a', 'b']);
  page.unchangedBy(() => page.do('select', { keys: ['a'], on: true }));
  page.do('select', { keys: ['a'], on: false }).do('removed', { key: 'b' });
  assert.equal(page.state.selected.size, 0);
});

test('the view is another object only where it changes', () => {
  const page = new Page().do('view', { fields: { query: 'cat' } });
  assert.deepEqual(page.state.view, { query: 'cat', show: 'all', sort: 'newest' });
  page.unchangedBy(() => page.do('view', { fields: { query: 'cat' } }));
});

test('hello tells the model, also that there is none', () => {
  const page = new Page().hears({ type: 'hello', seq: 0, model: null });
  assert.deepEqual(page.state.model, { name: null });
  page.unchangedBy(() => page.hears({ type: 'hello', seq: 0, model: null }));
  page.hears({ type: 'hello', seq: 0, model: { name: 'googlenet' } });
  assert.deepEqual(page.state.model, { name: 'googlenet' });
});

test('times that are no numbers count as none', () => {
  const page = sent('a').result('id-a', 1, 'done', { timing_ms: { upload: 'x', queue: -1, total: 9 } });
  const { timing } = page.item('a');
  assert.deepEqual(timing,
    { upload: 0, queue: 0, wire: 0, decode: 0, inference: 0, push: 0, total: 9 });
});

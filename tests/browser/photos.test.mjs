import { webcrypto } from 'node:crypto';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../frontend/js/api.js';
import { Photos } from '../../frontend/js/photos.js';
import { initialState, reduceAll } from '../../frontend/js/state.js';
import { Store } from '../../frontend/js/store.js';
import { settle } from './fake_timers.mjs';

globalThis.crypto ??= webcrypto;  // node 18 keeps it behind an import

const image = (id, state = 'queued', fields = {}) =>
  ({ id, name: id, state, content_url: `/c/${id}`, top: [], ...fields });
const file = (name) => ({ name });

function fixture() {
  const page = { said: [], deleted: [], sending: [], refusals: {} };
  page.store = new Store({ initial: initialState, reduceAll, onChange() {}, frame() {} });
  page.photos = new Photos({
    store: page.store,
    say: (text) => page.said.push(text),
    api: {
      uploadFile: (sent) => new Promise((accept, refuse) => {
        page.sending.push({ name: sent.name, accept, refuse });
      }),
      deleteImage: async (id) => {
        page.deleted.push(id);
        if (page.refusals[id]) throw page.refusals[id];
      },
      fetchContent: async (url, name) => file(name),
      patiently: (call) => call(),
    },
  });
  page.photos.setOnline(true);
  page.phases = () => page.store.state.order
    .map((key) => page.store.state.items.get(key).phase).join(' ');
  page.keys = () => page.store.state.order;
  page.accept = async (as) => {
    page.sending.shift().accept(as);
    await settle();
  };
  return page;
}

test('photos are sent in the order chosen, and shown newest first', async () => {
  const page = fixture();
  page.photos.add([file('a'), file('b')]);
  await page.accept(image('id-a'));
  assert.equal(page.phases(), 'uploading queued');
  assert.equal(page.photos.files.size, 2);
});

test('cancelling what is not sent leaves what is', async () => {
  const page = fixture();
  page.photos.add(['a', 'b', 'c', 'd', 'e'].map(file));
  await page.accept(image('id-a'));
  page.photos.setPaused(true);
  page.photos.cancelUnsent();
  assert.equal(page.phases(), 'queued');
  assert.equal(page.store.state.paused, false);
  assert.equal(page.photos.files.size, 1);
  assert.deepEqual(page.said, ['4 photos not sent.']);
});

test('deleting many tells how many, and why some are still there', async () => {
  const page = fixture();
  page.store.dispatch({ type: 'page-loaded', images: ['a', 'b', 'c'].map((id) => image(id, 'done')),
    cursor: null });
  page.refusals = { b: new ApiError('problem', 'The disk is full.', { status: 507 }),
    c: new ApiError('problem', 'Unknown.', { status: 404 }) };
  await page.photos.removeAll(page.keys());
  assert.deepEqual(page.keys(), ['server-b']);
  assert.equal(page.store.state.items.get('server-b').deleting, false);
  assert.deepEqual(page.said, ['2 photos deleted.', '1 photo could not be deleted. The disk is full.']);
});

test('a photo deleted while it is sent is forgotten', async () => {
  const page = fixture();
  page.photos.add([file('a')]);
  await page.photos.remove(page.keys()[0]);
  assert.deepEqual(page.keys(), []);
  assert.deepEqual(page.deleted, []);
  assert.equal(page.photos.files.size, 0);
});

test('trying all again sends what the server still has, and deletes what failed', async () => {
  const page = fixture();
  const failed = { error: { code: 'quarantined', detail: 'x' } };
  page.store.dispatch({ type: 'page-loaded', cursor: null,
    images: [image('a', 'failed', failed), image('b', 'done'), image('c', 'failed', failed)] });
  await page.photos.retryAll();
  assert.deepEqual(page.sending.map(({ name }) => name), ['a', 'c']);
  assert.equal(page.phases(), 'uploading done uploading');
  await page.accept(image('new-a', 'done'));
  await page.accept(image('new-c', 'done'));
  assert.deepEqual(page.deleted, ['a', 'c']);
  assert.equal(page.phases(), 'done done done');
});

test('what may not help is not tried again', async () => {
  const page = fixture();
  page.store.dispatch({ type: 'page-loaded', cursor: null, images: [image('a', 'failed',
    { error: { code: 'damaged_image', detail: 'x' } })] });
  await page.photos.retry('server-a');
  await page.photos.retryAll();
  assert.equal(page.phases(), 'failed');
});

test('a refused file is told in words', async () => {
  const page = fixture();
  page.photos.add([file('notes.txt')]);
  page.sending.shift().refuse(new ApiError('problem', 'It is no picture.', { status: 415 }));
  await settle();
  assert.equal(page.phases(), 'rejected');
  assert.deepEqual(page.said, ['notes.txt: It is no picture.']);
});

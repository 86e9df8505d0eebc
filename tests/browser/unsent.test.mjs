import assert from 'node:assert/strict';
import { test } from 'node:test';

import { initialState, reduce } from '../../frontend/js/state.js';
import { followUnsent } from '../../frontend/js/unsent.js';

function storageOf(map = new Map()) {
  return { getItem: (key) => map.get(key) ?? null, removeItem: (key) => map.delete(key),
           setItem: (key, value) => map.set(key, String(value)) };
}

function load(storage, unsent) {
  const page = new EventTarget();
  const lost = [];
  followUnsent({ page, storage, unsent: () => unsent, onLost: (count) => lost.push(count) });
  const event = (type, persisted) => page.dispatchEvent(Object.assign(new Event(type), { persisted }));
  event('pageshow', false);
  return { lost, event };
}

test('what was not sent is told once, after the reload', () => {
  const storage = storageOf();
  const first = load(() => storage, 3);
  assert.deepEqual(first.lost, []);
  first.event('pagehide', false);
  const second = load(() => storage, 0);
  assert.deepEqual(second.lost, [3]);
  second.event('pagehide', false);
  assert.deepEqual(load(() => storage, 0).lost, []);
});

test('a page that the browser kept has lost nothing', () => {
  const storage = storageOf();
  const page = load(() => storage, 3);
  page.event('pagehide', true);
  page.event('pageshow', true);
  assert.deepEqual(page.lost, []);
  assert.deepEqual(load(() => storage, 0).lost, []);
});

test('where storage is forbidden the page works without', () => {
  const page = load(() => { throw new Error('forbidden'); }, 3);
  page.event('pagehide', false);
  assert.deepEqual(page.lost, []);
});

test('the page says it until it is read, or photos are chosen', () => {
  const told = reduce(initialState, { type: 'unsent-lost', count: 3 });
  assert.equal(told.unsentLost, 3);
  assert.equal(reduce(told, { type: 'unsent-lost', count: 0 }).unsentLost, 0);
  const chosen = reduce(told, { type: 'files-added', files: [{ key: 'a', name: 'a' }] });
  assert.equal(chosen.unsentLost, 0);
});

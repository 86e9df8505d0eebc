import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BLANK } from '../../frontend/js/items.js';
import { DEFAULT_VIEW, isFiltered, rememberingView, shownKeys } from '../../frontend/js/view.js';

const top = (label, score) => [{ index: 0, label, score }, { index: 1, label: 'n1 other', score: 0 }];
const PHOTOS = [
  { name: 'photo 10.jpg', phase: 'done', top: top('n02123045 tabby, tabby cat', 0.6), totalMs: 80 },
  { name: 'photo 9.jpg', phase: 'done', top: top('n02391049 Zebra', 0.99), totalMs: 300 },
  { name: 'Alps.png', phase: 'failed', error: { kind: 'failed' } },
  { name: 'bad.txt', phase: 'rejected', error: { kind: 'rejected' } },
  { name: 'later.jpg', phase: 'waiting' },
  { name: 'soon.jpg', phase: 'assigned' },
  { name: 'odd.jpg', phase: 'done', unsure: true, top: top('n1 ant', 0.2), totalMs: 90 },
];

function state(view = {}, photos = PHOTOS) {
  const items = new Map(photos.map((photo, n) => [`k${n}`, { ...BLANK, key: `k${n}`, ...photo }]));
  return { items, order: [...items.keys()], view: { ...DEFAULT_VIEW, ...view } };
}

const names = (view) => {
  const made = state(view);
  return shownKeys(made).map((key) => made.items.get(key).name.replace(/\..*/, '')).join(' | ');
};

test('everything in its order is the order itself', () => {
  const made = state();
  assert.equal(shownKeys(made), made.order);
});

test('an order leaves nothing out, blanks neither', () => {
  assert.equal(isFiltered(DEFAULT_VIEW), false);
  assert.equal(isFiltered({ query: ' ', show: 'all', sort: 'name' }), false);
  assert.equal(isFiltered({ query: 'cat', show: 'all' }), true);
  assert.equal(isFiltered({ query: '', show: 'done' }), true);
});

test('by state', () => {
  assert.equal(names({ show: 'open' }), 'later | soon');
  assert.equal(names({ show: 'done' }), 'photo 10 | photo 9 | odd');
  assert.equal(names({ show: 'unsure' }), 'odd');
  assert.equal(names({ show: 'problem' }), 'Alps | bad');
});

test('by any of the five labels, or the name, whatever the case', () => {
  assert.equal(names({ query: 'CAT' }), 'photo 10');
  assert.equal(names({ query: ' zebra ' }), 'photo 9');
  assert.equal(names({ query: 'n1 other' }), 'photo 10 | photo 9 | odd');
  assert.equal(names({ query: 'alps' }), 'Alps');
  assert.equal(names({ query: 'nothing like it' }), '');
  assert.equal(names({ query: 'photo', show: 'unsure' }), '');
  assert.equal(names({ query: '.*' }), '');  // a text, not a pattern
});

test('sorted: numbers in names count, what has no value comes last, equals keep their order', () => {
  assert.equal(names({ sort: 'name' }), 'Alps | bad | later | odd | photo 9 | photo 10 | soon');
  assert.equal(names({ sort: 'label' }), 'odd | photo 10 | photo 9 | Alps | bad | later | soon');
  assert.equal(names({ sort: 'score' }), 'photo 9 | photo 10 | odd | Alps | bad | later | soon');
  assert.equal(names({ sort: 'time' }), 'photo 9 | odd | photo 10 | Alps | bad | later | soon');
  assert.equal(names({ sort: 'no such order' }).split(' | ')[0], 'photo 10');
});

test('remembers what it need not work out again', () => {
  const keys = rememberingView();
  const first = state({ query: 'photo' });
  const shown = keys(first);
  assert.equal(keys(first), shown);
  assert.equal(keys({ ...first, lastSeq: 9 }), shown);
  assert.notEqual(keys({ ...first, items: new Map(first.items) }), shown);
  assert.deepEqual(keys({ ...first, view: DEFAULT_VIEW }), first.order);
  const other = { ...first, view: DEFAULT_VIEW, order: ['k1'] };
  assert.deepEqual(keys(other), ['k1']);
});

test('a photo that got its label is found by it', () => {
  const keys = rememberingView();
  const before = state({ query: 'ant' });
  assert.deepEqual(keys(before), ['k6']);
  const items = new Map(before.items);
  items.set('k5', { ...items.get('k5'), phase: 'done', top: top('n2 elephant', 0.9) });
  assert.deepEqual(keys({ ...before, items }), ['k5', 'k6']);
});

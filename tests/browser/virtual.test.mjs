import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  cardAfterKey, columnsFor, heightFor, placeOf, rangeFor, scrollNeeded,
} from '../../frontend/js/virtual.js';

const LAYOUT = { columns: 4, cardWidth: 250, cardHeight: 400, gap: 20 };

test('as many columns as fit, one at least, and they fill the width', () => {
  assert.deepEqual(columnsFor({ width: 1060, minWidth: 250, gap: 20 }), { columns: 4, cardWidth: 250 });
  assert.deepEqual(columnsFor({ width: 1059, minWidth: 250, gap: 20 }).columns, 3);
  assert.deepEqual(columnsFor({ width: 200, minWidth: 250, gap: 20 }), { columns: 1, cardWidth: 200 });
  assert.deepEqual(columnsFor({ width: 0, minWidth: 250, gap: 20 }), { columns: 1, cardWidth: 0 });
});

test('the height of all rows has no gap behind the last', () => {
  assert.equal(heightFor(0, LAYOUT), 0);
  assert.equal(heightFor(1, LAYOUT), 400);
  assert.equal(heightFor(4, LAYOUT), 400);
  assert.equal(heightFor(5, LAYOUT), 820);
});

test('places go row by row', () => {
  assert.deepEqual(placeOf(0, LAYOUT), { x: 0, y: 0 });
  assert.deepEqual(placeOf(6, LAYOUT), { x: 540, y: 420 });
});

test('what is in sight, and a row more at either end', () => {
  assert.deepEqual(rangeFor(3000, 0, 900, LAYOUT), { first: 0, last: 16 });
  assert.deepEqual(rangeFor(3000, 4200, 5100, LAYOUT), { first: 36, last: 56 });
  assert.deepEqual(rangeFor(10, 0, 900, LAYOUT), { first: 0, last: 10 });
  assert.deepEqual(rangeFor(0, 0, 900, LAYOUT), { first: 0, last: 0 });
});

test('a grid that lies below or above the window has hardly a card', () => {
  assert.deepEqual(rangeFor(3000, -5000, -4100, LAYOUT), { first: 0, last: 0 });
  assert.deepEqual(rangeFor(100, 90_000, 91_000, LAYOUT), { first: 100, last: 100 });
});

test('every card is in the range of the window that shows it, wherever that is scrolled to', () => {
  const layout = { columns: 3, cardWidth: 100, cardHeight: 97.3, gap: 13.7 };
  const count = 500;
  for (let top = -300; top < heightFor(count, layout) + 300; top += 41) {
    const { first, last } = rangeFor(count, top, top + 640, layout);
    assert.ok(last - first <= 11 * 3, `${last - first} cards at ${top}`);
    for (let index = 0; index < count; index += 1) {
      const { y } = placeOf(index, layout);
      const inSight = y + layout.cardHeight > top && y < top + 640;
      assert.ok(!inSight || (index >= first && index < last), `card ${index} at ${top}`);
    }
  }
});

test('scrolls no more than is needed, and shows the top of what is higher than the window', () => {
  assert.equal(scrollNeeded(200, 60, 900, LAYOUT), 0);
  assert.equal(scrollNeeded(20, 60, 900, LAYOUT), -40);
  assert.equal(scrollNeeded(600, 60, 900, LAYOUT), 100);
  assert.equal(scrollNeeded(300, 60, 400, LAYOUT), 240);
});

test('arrow keys', () => {
  const go = (key, index, count = 10) =>
    cardAfterKey(key, index, count, { columns: 4, rowsInSight: 2 });
  assert.equal(go('ArrowRight', 0), 1);
  assert.equal(go('ArrowRight', 9), 9);
  assert.equal(go('ArrowLeft', 0), 0);
  assert.equal(go('ArrowDown', 1), 5);
  assert.equal(go('ArrowUp', 5), 1);
  assert.equal(go('ArrowUp', 2), 2);
  assert.equal(go('ArrowDown', 7), 9, 'the last row is shorter');
  assert.equal(go('ArrowDown', 8), 8);
  assert.equal(go('PageDown', 1, 100), 9);
  assert.equal(go('PageUp', 9, 100), 1);
  assert.equal(go('Home', 5), 0);
  assert.equal(go('End', 5), 9);
  assert.equal(go('a', 5), null);
  assert.equal(go('toString', 5), null);
  assert.equal(go('End', 0, 0), null);
});

// The parts of the elements that need no document.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { picturesOf } from '../../frontend/js/ui/folders.js';
import { splitOf } from '../../frontend/js/ui/time_split.js';
import { detailOf, scoreOf, spoken, titleOf } from '../../frontend/js/words.js';
import { BLANK } from '../../frontend/js/items.js';

const DONE = { ...BLANK, name: 'a.jpg', phase: 'done',
  top: [{ label: 'n01440764 tench, Tinca tinca', score: 0.42 }] };

test('of a folder its pictures, in order of their paths, numbers by value', () => {
  const file = (path, type = 'image/png') =>
    ({ name: path.split('/').pop(), type, webkitRelativePath: path });
  const files = [file('f/day 10/a.png'), file('f/day 2/b.png'), file('f/notes.txt', 'text/plain'),
    file('f/.hidden.png'), file('f/old.TIFF', ''), file('f/film.mp4', 'video/mp4')];
  assert.deepEqual(picturesOf(files).map((f) => f.webkitRelativePath),
    ['f/day 2/b.png', 'f/day 10/a.png', 'f/old.TIFF']);
});

test('dropped folders come in order already', () => {
  const files = [{ name: 'z.png', type: 'image/png' }, { name: 'a.png', type: 'image/png' }];
  assert.deepEqual(picturesOf(files), files);
});

const TIMING = { upload: 3, queue: 12, wire: 1, decode: 4, inference: 60, push: 0, total: 80 };

test('the parts of the time, and what none of them accounts for', () => {
  assert.deepEqual(splitOf(TIMING).map(({ name }) => name),
    ['upload', 'queue', 'wire', 'decode', 'inference', 'push']);
  const { name, ms } = splitOf({ ...TIMING, total: 100 }).at(-1);
  assert.deepEqual([name, ms], ['other', 20]);
  assert.equal(splitOf({ ...TIMING, total: 80.5 }).length, 6, 'rounding is no part');
});

test('a photo in words', () => {
  assert.equal(titleOf(DONE), 'tench');
  assert.equal(scoreOf(DONE), '42%');
  assert.equal(spoken(DONE), 'a.jpg: tench, 42%');
  assert.equal(spoken({ ...DONE, unsure: true }), 'a.jpg: tench, 42%, not sure');
  assert.equal(titleOf({ ...DONE, top: [] }), 'No answer');
  assert.equal(titleOf({ ...BLANK, phase: 'uploading', progress: 0.427 }), 'Sending… 42%');
  const failed = { ...BLANK, name: 'b', phase: 'failed', error: { kind: 'failed', detail: 'it broke' } };
  assert.equal(spoken(failed), 'b: Not recognized');
  assert.equal(detailOf(failed), 'It broke.');
  assert.equal(titleOf({ ...BLANK, phase: 'rejected', error: { kind: 'something new' } }), 'Not accepted');
  assert.equal(detailOf({ ...BLANK, note: 'The server is busy.' }), 'The server is busy.');
});

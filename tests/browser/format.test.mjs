import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  bytesText, clusterParts, dateText, duration, labelText, percent, percentFine, progressText,
  progressTextShort, rate, readyWorkers, stamp,
  sentence,
} from '../../frontend/js/format.js';

test('a label loses its synset id and its synonyms, the full line is kept', () => {
  assert.deepEqual(labelText('n01440764 tench, Tinca tinca'),
    { short: 'tench', full: 'n01440764 tench, Tinca tinca' });
});

test('labels of other models are taken as they are', () => {
  assert.equal(labelText('airplane').short, 'airplane');
  assert.equal(labelText('night sky').short, 'night sky');
  assert.equal(labelText('n123 no synset').short, 'n123 no synset');
});

test('a label that is missing or blank still gives words', () => {
  for (const nothing of [undefined, null, '', '   ']) {
    assert.equal(labelText(nothing).short, 'unnamed class');
  }
  assert.equal(labelText('n01440764 , x').short, ', x');
});

test('percentages never claim certainty that is not there', () => {
  const cases = [[1, '100%'], [0.9999, '>99%'], [0.99, '99%'], [0.875, '88%'], [0.01, '1%'],
    [0.0042, '<1%'], [0, '0%'], [1.5, '100%'], [-1, '0%'], [NaN, '0%'], ['x', '0%']];
  for (const [score, text] of cases) assert.equal(percent(score), text, `of ${score}`);
});

test('fine percentages have one digit', () => {
  const cases = [[0.87508, '87.5%'], [0.99999, '>99.9%'], [0.00003, '<0.1%'], [0, '0.0%'],
    [1, '100.0%']];
  for (const [score, text] of cases) assert.equal(percentFine(score), text, `of ${score}`);
});

test('durations have three digits at most and the right unit', () => {
  const cases = [[0.2, '<1 ms'], [84.4, '84 ms'], [999.4, '999 ms'], [999.6, '1.00 s'],
    [1240, '1.24 s'], [9996, '10.0 s'], [12345, '12.3 s'], [59960, '1 min 0 s'],
    [125000, '2 min 5 s'], [NaN, ''], [undefined, ''], [-5, '']];
  for (const [ms, text] of cases) assert.equal(duration(ms), text, `of ${ms}`);
});

test('rates', () => {
  const cases = [[0, '0'], [undefined, '0'], [0.04, '<0.1'], [3.21, '3.2'], [9.96, '10'],
    [123.4, '123']];
  for (const [value, text] of cases) assert.equal(rate(value), text, `of ${value}`);
});

test('overall progress', () => {
  const counts = { total: 0, done: 0, open: 0, failed: 0, rejected: 0 };
  assert.equal(progressText(counts), '');
  assert.equal(progressText({ ...counts, total: 100, done: 12, open: 88 }), '12 of 100 recognized');
  assert.equal(progressText({ ...counts, total: 100, done: 12, open: 85, failed: 2, rejected: 1 }),
    '12 of 100 recognized · 3 errors');
  assert.equal(progressText({ ...counts, total: 5, done: 5 }), 'All 5 recognized');
  assert.equal(progressText({ ...counts, total: 1, done: 1 }), '1 photo recognized');
  assert.equal(progressText({ ...counts, total: 5, done: 4, rejected: 1 }),
    '4 of 5 recognized · 1 error');
});

test('the cluster line counts ready workers only', () => {
  const cluster = {
    workers: [{ state: 'ready' }, { state: 'draining' }, { state: 'ready' }, null],
    queue_depth: 7, throughput: { '10s': { images_per_s: 4.25 } }, model: { name: 'googlenet' },
  };
  assert.equal(readyWorkers(cluster), 2);
  assert.deepEqual(clusterParts(cluster),
    ['2 workers ready', '7 in the queue', '4.3 images/s', 'Model: googlenet']);
  assert.deepEqual(clusterParts({ workers: [] }),
    ['no worker ready', '0 in the queue', '0 images/s', 'Waiting for workers']);
  assert.deepEqual(clusterParts(null), []);
  assert.deepEqual(clusterParts(null, { name: 'googlenet' }), ['Model: googlenet']);
  assert.deepEqual(clusterParts(null, { name: null }), ['Waiting for workers']);
});

test('sentences of the server become sentences of the page', () => {
  assert.equal(sentence('the file is empty'), 'The file is empty.');
  assert.equal(sentence('Try again!'), 'Try again!');
  assert.equal(sentence(undefined), '');
});

test('sizes of files', () => {
  const cases = [[0, '0 bytes'], [1, '1 byte'], [999, '999 bytes'], [1000, '1.0 KB'],
    [34_400, '34 KB'], [999_400, '999 KB'], [999_600, '1.0 MB'], [20_971_520, '21.0 MB'],
    [null, ''], [-1, ''], [NaN, '']];
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text, String(bytes));
});

test('times that cannot be read are left out', () => {
  assert.match(dateText('2026-01-31T14:05:09.123Z'), /2026/);
  for (const bad of [null, undefined, '', 'yesterday']) assert.equal(dateText(bad), '');
});

test('a name for what has none', () => {
  assert.equal(stamp('camera', new Date(2026, 0, 31, 4, 5, 9)), 'camera-2026-01-31-040509');
});

test('the progress where there is little room', () => {
  assert.equal(progressTextShort({ total: 0, done: 0, failed: 0, rejected: 0 }), '');
  assert.equal(progressTextShort({ total: 9, done: 5, failed: 1, rejected: 1 }), '5/9 · 2 errors');
  assert.equal(progressTextShort({ total: 9, done: 5, failed: 0, rejected: 0 }), '5/9');
});

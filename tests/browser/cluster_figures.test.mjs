import assert from 'node:assert/strict';
import { test } from 'node:test';

import { COLUMNS, nextSort, sorted } from '../../frontend/js/cluster/columns.js';
import { age, bits, bytes, count, names, perSecond, share, time, UNKNOWN } from '../../frontend/js/cluster/figures.js';
import { phaseRows } from '../../frontend/js/cluster/phases.js';
import { wireText } from '../../frontend/js/cluster/wire.js';
import { CHARTS, describe, points, rangeFor, stats, tableRows, timeMark, timeMarks, within } from '../../frontend/js/cluster/series.js';

test('figures have as many digits as mean something', () => {
  assert.deepEqual([0, 0.004, 0.36, 12.54, 184.3, 999.4].map(time),
    ['0 ms', '<0.01 ms', '0.36 ms', '12.5 ms', '184 ms', '999 ms']);
  assert.deepEqual([1240, 59_400, 125_000].map(time), ['1.24 s', '59.4 s', '2 min 5 s']);
  assert.deepEqual([0, 999, 1000, 28_150_000, 1.31e11].map(bits),
    ['0 bit/s', '999 bit/s', '1.00 kbit/s', '28.1 Mbit/s', '131 Gbit/s']);
  assert.deepEqual([0, 1023, 1024, 65_449].map(bytes), ['0 B', '1023 B', '1.00 KiB', '63.9 KiB']);
  assert.deepEqual([0, 0.01, 0.44, 61.23, 1204.4].map(perSecond), ['0', '<0.1', '0.4', '61.2', '1,204']);
  assert.equal(count(1234567), '1,234,567');
  assert.deepEqual([0, 0.0001, 0.0104, 0.1033, 0.9999, 1].map(share),
    ['0 %', '<0.1 %', '1.0 %', '10.3 %', '100 %', '100 %']);
});

test('no figure is ever rounded up to one of the next unit', () => {
  assert.equal(time(999.9), '1.00 s');
  assert.equal(bits(999_999), '1.00 Mbit/s');
  assert.equal(bytes(1024 * 1024 - 1), '1.00 MiB');
  assert.equal(time(59_900), '59 s');
});

test('what is not known is a dash in every figure', () => {
  for (const format of [count, perSecond, share, time, bits, bytes, age]) {
    for (const value of [null, undefined, NaN, 'x']) assert.equal(format(value), UNKNOWN);
  }
});

test('ages get coarser as they grow', () => {
  assert.deepEqual([0, 59.9, 60, 200, 3599, 7500, 90_000].map(age),
    ['0 s', '59 s', '1 min', '3 min 20 s', '59 min', '2 h 5 min', '1 d 1 h']);
});

test('many names become a few and a number', () => {
  assert.equal(names(['a']), 'a');
  assert.equal(names(['a', 'b']), 'a and b');
  assert.equal(names(['a', 'b', 'c']), 'a, b and c');
  assert.equal(names(['a', 'b', 'c', 'd']), 'a, b and 2 more');
});

// ---- the table ---------------------------------------------------------------------------------

const workers = [
  { id: 1, name: 'worker-10', state: 'ready', rtt_ms: 5 },
  { id: 2, name: 'worker-2', state: 'ejected', rtt_ms: null },
  { id: 3, name: 'worker-1', state: 'draining', rtt_ms: 0.5 },
];
const order = (sort) => sorted(workers, sort).map((worker) => worker.id);

test('names are sorted as people count', () => {
  assert.deepEqual(order({ key: 'name', descending: false }), [3, 2, 1]);
  assert.deepEqual(order({ key: 'name', descending: true }), [1, 2, 3]);
});

test('what is not known comes last, both ways', () => {
  assert.deepEqual(order({ key: 'rtt_ms', descending: false }), [3, 1, 2]);
  assert.deepEqual(order({ key: 'rtt_ms', descending: true }), [1, 3, 2]);
});

test('states are sorted from good to bad', () => {
  assert.deepEqual(order({ key: 'state', descending: false }), [1, 3, 2]);
});

test('a column is sorted its usual way first, and then the other', () => {
  const first = nextSort({ key: 'name', descending: false }, 'done');
  assert.deepEqual(first, { key: 'done', descending: true });
  assert.deepEqual(nextSort(first, 'done'), { key: 'done', descending: false });
  assert.deepEqual(nextSort(first, 'name'), { key: 'name', descending: false });
});

test('every column says something of a worker of which nothing is known', () => {
  for (const column of COLUMNS) {
    assert.equal(typeof column.text({ id: 1 }), 'string', column.key);
    assert.equal(typeof (column.note?.({ id: 1 }) ?? ''), 'string', column.key);
  }
  assert.equal(sorted([{ id: 2 }, { id: 1 }], { key: 'done', descending: true }).length, 2);
});

test('a state that a newer server invents is shown as it is', () => {
  const state = COLUMNS.find(({ key }) => key === 'state');
  assert.equal(state.text({ state: 'resting' }), 'resting');
});

test('a connection says how much is under way, and of what', () => {
  const { note } = COLUMNS.find(({ key }) => key === 'delivery_bits_per_s');
  assert.equal(note({ unacknowledged_bytes: 65_449, congestion_window_bytes: 120_832 }), '63.9 KiB of 118 KiB');
  assert.equal(note({ unacknowledged_bytes: 0, congestion_window_bytes: null }), '0 B');
  assert.equal(note({ unacknowledged_bytes: null, congestion_window_bytes: null }), '');
});

test('how long an image takes stands below how many there are', () => {
  const { note } = COLUMNS.find(({ key }) => key === 'images_per_s');
  assert.equal(note({ service_ms: 20.31 }), '20.3 ms each');
  assert.equal(note({ service_ms: 0 }), '', 'not measured yet');
});

test('what was resent is a share of the last minute and a number since it connected', () => {
  const column = COLUMNS.find(({ key }) => key === 'retransmitted_share');
  assert.equal(column.text({ retransmitted_share: 0.1033 }), '10.3 %');
  assert.equal(column.note({ retransmissions: 1487, congestion_control: 'bbr' }), '1,487 · bbr');
  assert.equal(column.note({ retransmissions: 9, congestion_control: 'cubic', connections: 13 }),
    '9 · cubic · 13 connections');
  assert.equal(column.note({ retransmissions: 0, congestion_control: null, connections: 1 }), '0');
  assert.equal(column.note({ retransmissions: null, congestion_control: null }), '');
  assert.equal(column.text({ retransmitted_share: null }), UNKNOWN);
});

// ---- the sum of the connections ----------------------------------------------------------------

const carrying = {
  throughput: { '10s': { wire_out_bits_per_s: 10_840_000, wire_in_bits_per_s: 252_000 } },
  wire: { out_bytes: 14_050_000, in_bytes: 317_000, retransmitted_share: 0.0104 },
};

test('the sum of the connections is a line', () => {
  assert.equal(wireText({ cluster: carrying, workers: [{ congestion_control: 'bbr' }] }),
    '10.8 Mbit/s to workers, 252 kbit/s back · 13.4 MiB and 310 KiB in all · 1.0 % resent · bbr');
});

test('the line counts congestion controls where they differ, without who has left', () => {
  const by = (...names) => names.map((congestion_control) => ({ congestion_control }));
  assert.match(wireText({ cluster: carrying, workers: by('bbr', 'cubic', 'bbr') }), / · 2 bbr, 1 cubic$/);
  const left = { congestion_control: 'cubic', leftAt: 5 };
  assert.match(wireText({ cluster: carrying, workers: [...by('bbr', null), left] }), / resent · bbr$/);
});

test('without a manager that counts there is no line', () => {
  assert.equal(wireText({ cluster: null, workers: [] }), '');
  assert.equal(wireText({ cluster: {}, workers: [] }), '');
  const quiet = { ...carrying, wire: { ...carrying.wire, retransmitted_share: null } };
  assert.match(wireText({ cluster: quiet, workers: [] }), / in all$/);
});

// ---- the charts --------------------------------------------------------------------------------

const samples = [100, 101, 102, 110, 111].map((second, index) => ({
  second, images_per_s: index * 10, p50_ms: index === 0 ? null : index, workers: 3,
}));
const chart = (id) => CHARTS.find((one) => one.id === id);

test('a chart has the seconds before now, and a hole where some are missing', () => {
  assert.deepEqual(points(samples, 'images_per_s'), [
    { x: -11, y: 0 }, { x: -10, y: 10 }, { x: -9, y: 20 }, { x: -8, y: null }, { x: -1, y: 30 }, { x: 0, y: 40 }]);
  assert.equal(points(samples, 'p50_ms')[0].y, null);
  assert.deepEqual(points([], 'p50_ms'), []);
});

test('a chart that has little to show begins with a short range', () => {
  assert.equal(rangeFor([]), 60);
  assert.equal(rangeFor([{ second: 10 }, { second: 159 }]), 60);
  assert.equal(rangeFor([{ second: 10 }, { second: 160 }]), 300);
});

test('only the range that was chosen is drawn', () => {
  assert.deepEqual(within(samples, 5).map(({ second }) => second), [110, 111]);
  assert.deepEqual(within([], 5), []);
});

test('a line knows its least, most and mean, without what was not measured', () => {
  assert.deepEqual(stats(samples, 'p50_ms'), { now: 4, least: 1, most: 4, mean: 2.5 });
  assert.equal(stats([{ second: 1, p50_ms: null }], 'p50_ms'), null);
});

test('a chart says in words what it shows', () => {
  assert.equal(describe(chart('throughput'), samples, 300),
    'Throughput. Last 5 minutes. Images/s: now 40.0 images/s, from 0 images/s to 40.0 images/s.');
  assert.match(describe(chart('latency'), samples, 60), /^Latency\. Last 1 minute\. p50: now 4\.00 ms, /);
  assert.match(describe(chart('latency'), samples, 60), /p99: nothing measured\.$/);
  assert.match(describe(chart('queue'), [], 60), /nothing measured/);
});

test('a chart is a table of means too, newest first', () => {
  const rows = tableRows(chart('throughput'), samples, 60);
  assert.deepEqual(rows, [{ when: 'last 10 s', values: ['30.0 images/s'] },
                          { when: '10 s to 20 s ago', values: ['5.0 images/s'] }]);
  assert.deepEqual(tableRows(chart('throughput'), [], 60), []);
});

test('the table of workers has the most of a span, since half a worker is none', () => {
  const some = [1, 3, 2].map((workers, second) => ({ second, workers }));
  assert.deepEqual(tableRows(chart('workers'), some, 60)[0].values, ['3']);
});

test('an axis has round numbers', () => {
  assert.deepEqual([0, 0.5, 20, 100, 1200].map(chart('throughput').mark), ['0', '0.5', '20', '100', '1,200']);
  assert.deepEqual([0, 50, 500, 1500, 2000].map(chart('latency').mark), ['0', '50 ms', '500 ms', '1.5 s', '2 s']);
  assert.deepEqual([0, 500, 4e7].map(chart('data').mark), ['0', '500 bit/s', '40 Mbit/s']);
});

test('a time axis has round marks', () => {
  assert.deepEqual(timeMarks(60).map(timeMark), ['60 s', '45 s', '30 s', '15 s', 'now']
    .map((text) => (text === '60 s' ? '1 min' : text)));
  assert.deepEqual(timeMarks(300).map(timeMark), ['5 min', '4 min', '3 min', '2 min', '1 min', 'now']);
  assert.equal(timeMarks(600).length, 6);
});

// ---- the phases --------------------------------------------------------------------------------

test('each phase has its percentiles and its share of the longest', () => {
  const rows = phaseRows({ total: { p50_ms: 100, p90_ms: 150, p99_ms: 200 },
                           queue: { p50_ms: 20, p90_ms: 40, p99_ms: 50 }, wire: null });
  const of = (key) => rows.find((row) => row.key === key);
  assert.deepEqual(of('total').share, { p50: 0.5, p99: 1 });
  assert.deepEqual(of('queue').share, { p50: 0.1, p99: 0.25 });
  assert.equal(of('wire').p50, null);
  assert.deepEqual(of('wire').share, { p50: 0, p99: 0 });
});

test('without latencies there are the phases without figures', () => {
  for (const nothing of [null, undefined, {}]) {
    assert.ok(phaseRows(nothing).every((row) => row.p99 === null && row.share.p99 === 0));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { byState, GHOST_MS, initialState, isStale, MAX_SAMPLES, reduce } from '../../frontend/js/cluster/state.js';

const worker = (id, name = `worker-${id}`, more = {}) => ({ id, name, state: 'ready', ...more });
const message = (workers, at, sample = null) => ({ type: 'message', cluster: { workers, sample }, at });
const run = (...actions) => actions.reduce(reduce, initialState);
const open = { type: 'connection', status: 'open', at: 0 };
const shown = (state) => state.workers.map(({ name, state: how }) => `${name} ${how}`);

test('who is there at first is no news', () => {
  const state = run(open, message([worker(1), worker(2)], 1000));
  assert.deepEqual(state.news, { joined: [], left: [] });
  assert.deepEqual(shown(state), ['worker-1 ready', 'worker-2 ready']);
});

test('a worker that joins is news, once', () => {
  const joined = run(open, message([worker(1)], 1000), message([worker(1), worker(2)], 2000));
  assert.deepEqual(joined.news, { joined: ['worker-2'], left: [] });
  assert.equal(joined.workers[1].joinedAt, 2000);
  const later = reduce(joined, message([worker(1), worker(2)], 3000));
  assert.deepEqual(later.news, { joined: [], left: [] });
  assert.equal(later.workers[1].joinedAt, 2000);
});

test('a worker that left stays for some seconds, and then goes', () => {
  const left = run(open, message([worker(1), worker(2)], 1000), message([worker(2)], 2000));
  assert.deepEqual(left.news, { joined: [], left: ['worker-1'] });
  assert.deepEqual(shown(left), ['worker-1 left', 'worker-2 ready']);
  const almost = reduce(left, message([worker(2)], 2000 + GHOST_MS - 1));
  assert.deepEqual(shown(almost), ['worker-1 left', 'worker-2 ready']);
  assert.deepEqual(shown(reduce(almost, { type: 'tick', at: 2000 + GHOST_MS })), ['worker-2 ready']);
  assert.deepEqual(shown(reduce(almost, message([worker(2)], 2000 + GHOST_MS))), ['worker-2 ready']);
});

test('one that connects again under its name takes its own place and is no news', () => {
  const again = run(open, message([worker(1, 'a'), worker(2, 'b')], 1000),
    message([worker(2, 'b'), worker(3, 'a')], 2000));
  assert.deepEqual(again.news, { joined: [], left: [] });
  assert.deepEqual(shown(again), ['b ready', 'a ready']);
  const after = run(open, message([worker(1, 'a')], 1000), message([], 2000), message([worker(3, 'a')], 3000));
  assert.deepEqual(shown(after), ['a ready'], 'its ghost is gone');
});

test('of several with one name only as many ghosts go as came back', () => {
  const state = run(open, message([worker(1, 'a'), worker(2, 'a')], 1000), message([worker(3, 'a')], 2000));
  assert.deepEqual(shown(state).sort(), ['a left', 'a ready']);
  assert.deepEqual(state.news, { joined: [], left: ['a'] });
});

test('ghosts are not counted among the states', () => {
  const state = run(open, message([worker(1), worker(2, 'x', { state: 'draining' }), worker(3)], 1000),
    message([worker(1), worker(2, 'x', { state: 'draining' })], 2000));
  assert.deepEqual(byState(state.workers), { ready: 1, draining: 1 });
});

test('figures are stale while the connection is lost, until new ones come', () => {
  assert.equal(isStale(initialState), false, 'nothing is shown yet');
  const live = run(open, message([], 1000));
  assert.equal(isStale(live), false);
  const lost = reduce(live, { type: 'connection', status: 'lost', at: 1500 });
  assert.equal(isStale(lost), true);
  const back = reduce(lost, { type: 'connection', status: 'open', at: 2500 });
  assert.equal(isStale(back), true, 'nothing has come yet');
  assert.equal(isStale(reduce(back, message([], 2600))), false);
});

test('a server that asks for its token does so until it lets the page in', () => {
  const say = (state, status) => reduce(state, { type: 'connection', status, at: 1 });
  const locked = say(say(initialState, 'lost'), 'locked');
  assert.equal(say(locked, 'lost').connection, 'locked');
  assert.equal(say(say(locked, 'lost'), 'open').connection, 'open');
});

test('figures are stale when a server that is connected says nothing', () => {
  const live = run(open, message([], 1000));
  assert.equal(isStale(reduce(live, { type: 'tick', at: 4000 })), false);
  assert.equal(isStale(reduce(live, { type: 'tick', at: 5100 })), true);
});

test('each second is kept once, ten minutes of them', () => {
  let state = run(open);
  for (let second = 1; second <= MAX_SAMPLES + 50; second += 1) {
    state = reduce(state, message([], second, { second, images_per_s: second }));
    state = reduce(state, message([], second, { second, images_per_s: second }));
  }
  assert.equal(state.samples.length, MAX_SAMPLES);
  assert.equal(state.samples.at(-1).second, MAX_SAMPLES + 50);
  assert.equal(state.samples[0].second, 51);
});

test('a manager that starts anew starts the charts anew', () => {
  const state = run(open, message([], 1, { second: 900 }), message([], 2, { second: 1 }));
  assert.deepEqual(state.samples, [{ second: 1 }]);
});

test('the history of the server goes before what came meanwhile', () => {
  const history = { second: [7, 8, 9], images_per_s: [1, 2, 3], p50_ms: [null, 5, 6] };
  const state = run(open, message([], 1, { second: 9, images_per_s: 3 }),
    message([], 2, { second: 10, images_per_s: 4 }), { type: 'history', history });
  assert.deepEqual(state.samples.map((sample) => sample.second), [7, 8, 9, 10]);
  assert.deepEqual(state.samples[0], { second: 7, images_per_s: 1, p50_ms: null });
});

test('the history replaces what an earlier connection left', () => {
  const state = run(open, message([], 1, { second: 5000 }), { type: 'history', history: { second: [1, 2] } });
  assert.deepEqual(state.samples.map((sample) => sample.second), [1, 2]);
});

test('messages that make no sense change nothing that is shown', () => {
  const state = run(open, message([worker(1)], 1, { second: 1 }));
  for (const cluster of [{}, { workers: 5 }, { workers: [null, {}, 'x'] }]) {
    const after = reduce(state, { type: 'message', cluster, at: 2 });
    assert.deepEqual(shown(after), ['worker-1 left']);
    assert.equal(after.samples.length, 1);
  }
  for (const history of [undefined, null, {}, { second: 'x' }]) {
    assert.equal(reduce(state, { type: 'history', history }).samples.length, 1);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { initialState, reduceAll } from '../../frontend/js/state.js';
import { Store } from '../../frontend/js/store.js';
import { Sync } from '../../frontend/js/sync.js';
import { FakeTimers, settle } from './fake_timers.mjs';

/** A page whose requests are answered by hand: `asked` are under way, `sockets` were opened. */
function fixture(t) {
  const real = { WebSocket: globalThis.WebSocket, location: globalThis.location };
  t.after(() => Object.assign(globalThis, real));
  const page = { asked: [], sockets: 0, online: [], timers: new FakeTimers().install(t) };
  globalThis.location = { href: 'http://host:8080/' };
  globalThis.WebSocket = class { constructor() { page.sockets += 1; } };
  const store = new Store({ initial: initialState, reduceAll, onChange() {}, frame() {} });
  page.sync = new Sync({
    store,
    onOnline: (online) => page.online.push(online),
    api: { listImages: () => new Promise((answer, fail) => { page.asked.push({ answer, fail }); }) },
  });
  page.end = async (how) => {
    const { answer, fail } = page.asked.shift();
    if (how === 'answered') answer({ images: [], cursor: null });
    else fail(new Error(how));
    await settle();
  };
  page.sync.begin();
  return page;
}

test('one request goes ahead of all others and of the socket: it gets the session', async (t) => {
  const page = fixture(t);
  page.sync.connect();  // the browser says that it is online again
  await settle();
  assert.deepEqual([page.asked.length, page.sockets, page.online.length], [1, 0, 0]);
  await page.end('answered');
  assert.deepEqual([page.asked.length, page.sockets, page.online], [0, 1, [true]]);
});

test('where it fails it is made again, alone, and at once when the person wants it', async (t) => {
  const page = fixture(t);
  await page.end('no connection');
  assert.deepEqual([page.asked.length, page.sockets], [0, 0]);
  page.sync.connect();
  page.sync.connect();
  await settle();
  assert.deepEqual([page.asked.length, page.sockets], [1, 0]);
  await page.end('no connection');
  await page.timers.advance(10_000);
  assert.deepEqual([page.asked.length, page.sockets], [1, 0]);
  await page.end('answered');
  assert.equal(page.sockets, 1);
});

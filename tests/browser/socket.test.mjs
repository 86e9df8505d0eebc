import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoff, LiveSocket } from '../../frontend/js/socket.js';
import { FakeTimers } from './fake_timers.mjs';

class FakeWebSocket {
  static made = [];
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
    FakeWebSocket.made.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.closed = true; }
  say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
}

function fixture(t, { href = 'http://host:8080/', connect = true } = {}) {
  const real = { WebSocket: globalThis.WebSocket, location: globalThis.location };
  const random = Math.random;
  t.after(() => {
    Object.assign(globalThis, real);
    Math.random = random;
  });
  FakeWebSocket.made = [];
  globalThis.WebSocket = FakeWebSocket;
  globalThis.location = { href };
  Math.random = () => 1;
  const page = { seq: 0, messages: [], statuses: [], made: FakeWebSocket.made };
  page.timers = new FakeTimers().install(t);
  page.window = new EventTarget();
  page.event = (type, fields) => page.window.dispatchEvent(Object.assign(new Event(type), fields));
  page.socket = new LiveSocket({
    page: page.window,
    lastSeq: () => page.seq,
    onMessage: (message) => page.messages.push(message.type),
    onStatus: (status) => page.statuses.push(status),
  });
  if (connect) page.socket.connect();
  return page;
}

test('the back-off doubles, is capped, and half of it is left to chance', (t) => {
  const random = Math.random;
  t.after(() => { Math.random = random; });
  Math.random = () => 1;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((n) => backoff(n)),
    [500, 1000, 2000, 4000, 8000, 10000, 10000]);
  Math.random = () => 0;
  assert.equal(backoff(0), 250);
});

test('asks for cluster figures, and is open when the server has said hello', (t) => {
  const page = fixture(t);
  page.made[0].onopen();
  assert.deepEqual(page.made[0].sent, [{ type: 'cluster', on: true }]);
  assert.deepEqual(page.statuses, []);
  page.made[0].say({ type: 'hello', seq: 3 });
  assert.deepEqual(page.statuses, ['open']);
});

test('uses wss on https, and resumes after the last result seen', async (t) => {
  const page = fixture(t, { href: 'https://host/some/page' });
  assert.equal(page.made[0].url, 'wss://host/ws');
  page.seq = 41;
  page.made[0].onclose();
  await page.timers.advance(500);
  assert.equal(page.made[1].url, 'wss://host/ws?after=41');
});

test('tries again after growing waits, and starts over after a hello', async (t) => {
  const page = fixture(t);
  page.made[0].onclose();
  await page.timers.advance(499);
  assert.equal(page.made.length, 1);
  await page.timers.advance(1);
  assert.equal(page.made.length, 2);
  page.made[1].onclose();
  await page.timers.advance(999);
  assert.equal(page.made.length, 2);
  await page.timers.advance(1);
  assert.equal(page.made.length, 3);
  page.made[2].say({ type: 'hello', seq: 0 });
  page.made[2].onclose();
  await page.timers.advance(500);
  assert.equal(page.made.length, 4);
  assert.deepEqual(page.statuses, ['lost', 'lost', 'open', 'lost']);
});

test('a connection that falls silent is given up and its late words are ignored', async (t) => {
  const page = fixture(t);
  const [first] = page.made;
  first.say({ type: 'hello', seq: 0 });
  await page.timers.advance(11_000);
  first.say({ type: 'cluster', cluster: {} });
  await page.timers.advance(11_000);
  assert.equal(first.closed, false);
  await page.timers.advance(1_000);
  assert.equal(first.closed, true);
  assert.equal(page.statuses.at(-1), 'lost');
  first.say({ type: 'image' });
  assert.deepEqual(page.messages, ['hello', 'cluster']);
});

test('connect() is for the impatient: no wait, no second connection beside the first', async (t) => {
  const page = fixture(t);
  page.socket.connect();
  assert.equal(page.made.length, 1);
  page.made[0].onclose();
  page.socket.connect();
  assert.equal(page.made.length, 2);
  await page.timers.advance(5_000);
  assert.equal(page.made.length, 2);
});

test('what is no message of the contract is ignored', (t) => {
  const page = fixture(t);
  page.made[0].onmessage({ data: 'no json' });
  page.made[0].onmessage({ data: 'null' });
  page.made[0].onmessage({ data: '{"a":1}' });
  assert.deepEqual(page.messages, []);
});

test('a page that is left keeps no connection and is shown again with a new one', async (t) => {
  const page = fixture(t);
  const [first] = page.made;
  first.say({ type: 'hello', seq: 0 });
  page.seq = 7;
  page.event('pagehide', { persisted: true });
  assert.equal(first.closed, true);
  page.socket.connect();  // "online", say
  await page.timers.advance(60_000);
  assert.equal(page.made.length, 1);
  page.event('pageshow', { persisted: true });
  assert.equal(page.made.length, 2);
  assert.equal(page.made[1].url, 'ws://host:8080/ws?after=7');
  assert.deepEqual(page.statuses, ['open'], 'nothing was lost');
  page.made[1].say({ type: 'hello', seq: 9 });
  assert.deepEqual(page.statuses, ['open', 'open'], 'what was missed is read');
});

test('a page that is left while it waits for its next try tries at once when it is back', async (t) => {
  const page = fixture(t);
  page.made[0].onclose();
  page.event('pagehide', { persisted: true });
  await page.timers.advance(60_000);
  assert.equal(page.made.length, 1);
  page.event('pageshow', { persisted: true });
  assert.equal(page.made.length, 2);
  await page.timers.advance(5_000);
  assert.equal(page.made.length, 2);
});

test('the first showing of a page connects nothing by itself', (t) => {
  const page = fixture(t, { connect: false });
  page.event('pageshow', { persisted: false });
  page.event('pagehide', { persisted: true });
  page.event('pageshow', { persisted: true });  // before the page had its session
  assert.equal(page.made.length, 0);
});

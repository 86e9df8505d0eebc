import { webcrypto } from 'node:crypto';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../frontend/js/api.js';
import { Uploader } from '../../frontend/js/uploader.js';
import { FakeTimers, settle } from './fake_timers.mjs';

// Browsers have it; node 18, Debian 12's, keeps it behind an import.
globalThis.crypto ??= webcrypto;

function fixture(t) {
  const random = Math.random;
  Math.random = () => 1;
  t.after(() => { Math.random = random; });
  const page = { events: [], sending: [], most: 0, timers: new FakeTimers().install(t) };
  page.uploader = new Uploader({
    send: (file, options) => new Promise((resolve, reject) => {
      const upload = { file, ...options };
      const end = (finish) => async (value) => {
        page.sending = page.sending.filter((other) => other !== upload);
        finish(value);
        await settle();
      };
      upload.accept = end(() => resolve({ id: `id-${file}` }));
      upload.refuse = end(reject);
      options.signal.addEventListener('abort', () => upload.refuse(new ApiError('network', '')));
      page.sending.push(upload);
      page.most = Math.max(page.most, page.sending.length);
    }),
    onEvent: ({ type, key }) => page.events.push(`${type.slice(7)} ${key}`),
  });
  page.add = (...keys) => page.uploader.add(keys.map((key) => ({ key, file: key })));
  page.names = () => page.sending.map((upload) => upload.file);
  return page;
}

const lost = () => new ApiError('network', 'lost');

test('nothing is sent before the session is there', (t) => {
  const page = fixture(t);
  page.add('a');
  assert.deepEqual(page.names(), []);
  page.uploader.setOnline(true);
  assert.deepEqual(page.names(), ['a']);
});

test('three at a time, in the order chosen', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd', 'e');
  assert.deepEqual(page.names(), ['a', 'b', 'c']);
  await page.sending[1].accept();
  assert.deepEqual(page.names(), ['a', 'c', 'd']);
  while (page.sending.length) await page.sending[0].accept();
  assert.equal(page.most, 3);
  assert.equal(page.events.filter((event) => event.startsWith('accepted')).length, 5);
});

test('a lost connection postpones, with the same idempotency key and in the old order', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd');
  const key = page.sending[0].idempotencyKey;
  for (const upload of [...page.sending]) await upload.refuse(lost());
  assert.deepEqual(page.names(), []);
  await page.timers.advance(10_000);
  assert.deepEqual(page.names(), ['a', 'b', 'c']);
  assert.equal(page.sending[0].idempotencyKey, key);
  assert.notEqual(page.sending[1].idempotencyKey, key);
  assert.ok(page.events.includes('postponed a'));
});

test('while the server is gone, nothing fails however long it takes', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a');
  page.uploader.setOnline(false);
  await page.sending[0].refuse(lost());
  await page.timers.advance(3_600_000);
  assert.deepEqual(page.names(), []);
  page.uploader.setOnline(true);
  assert.deepEqual(page.names(), ['a']);
  await page.sending[0].accept();
  assert.equal(page.events.at(-1), 'accepted a');
});

test('a file that cannot be sent while the server answers fails in the end, others go on', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('bad', 'good');
  for (let tries = 0; tries < 20 && page.sending.length; tries += 1) {
    for (const upload of [...page.sending]) {
      if (upload.file === 'bad') await upload.refuse(lost());
      else await upload.accept();
    }
    await page.timers.advance(10_000);
  }
  assert.ok(page.events.includes('accepted good'));
  assert.equal(page.events.at(-1), 'rejected bad');
  assert.equal(page.events.filter((event) => event === 'started bad').length, 5);
});

test('a try that the lost connection ended is not counted against the file', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a');
  for (let tries = 0; tries < 4; tries += 1) {
    await page.sending[0].refuse(lost());
    await page.timers.advance(10_000);
  }
  page.uploader.setOnline(false);
  await page.sending[0].refuse(lost());
  assert.equal(page.events.at(-1), 'postponed a');
});

test('a busy server is left alone for as long as it asks', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd');
  await page.sending[0].refuse(new ApiError('busy', 'full', { status: 429, retryAfterMs: 7000 }));
  await page.sending[0].accept();
  await page.sending[0].refuse(lost());  // does not shorten the pause
  assert.deepEqual(page.names(), []);
  page.uploader.setOnline(false);
  page.uploader.setOnline(true);         // nor does a reconnect
  await page.timers.advance(6999);
  assert.deepEqual(page.names(), []);
  await page.timers.advance(1);
  assert.deepEqual(page.names(), ['a', 'c', 'd']);
});

test('a refusal is final and disturbs nobody', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd');
  await page.sending[0].refuse(new ApiError('problem', 'no picture', { status: 415 }));
  assert.ok(page.events.includes('rejected a'));
  assert.deepEqual(page.names(), ['b', 'c', 'd']);
});

test('cancelling stops a file that waits and one on its way, and says no more of it', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd', 'e');
  page.uploader.cancel('e');
  page.uploader.cancel('a');
  await settle();
  assert.deepEqual(page.names(), ['b', 'c', 'd']);
  while (page.sending.length) await page.sending[0].accept();
  assert.ok(!page.events.includes('started e'));
  assert.deepEqual(page.events.filter((event) => event.endsWith(' a')), ['started a']);
});

test('paused, nothing new is begun; what is on its way is finished', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd');
  page.uploader.setPaused(true);
  await page.sending[0].accept();
  assert.deepEqual(page.names(), ['b', 'c']);
  assert.equal(page.events.at(-1), 'accepted a');
  page.uploader.setOnline(false);
  page.uploader.setOnline(true);
  assert.deepEqual(page.names(), ['b', 'c']);
  page.uploader.setPaused(false);
  assert.deepEqual(page.names(), ['b', 'c', 'd']);
});

test('cancelling all forgets every file, and others can be sent afterwards', async (t) => {
  const page = fixture(t);
  page.uploader.setOnline(true);
  page.add('a', 'b', 'c', 'd', 'e');
  const before = page.events.length;
  page.uploader.cancelAll();
  await settle();
  await page.timers.advance(60_000);
  assert.deepEqual(page.names(), []);
  assert.equal(page.events.length, before);
  page.add('f');
  assert.deepEqual(page.names(), ['f']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  deleteImage, listImages, onTokenRequired, openSession, parseRetryAfter, patiently, problemFrom,
} from '../../frontend/js/api.js';
import { FakeTimers, settle } from './fake_timers.mjs';

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2024-05-01T00:00:00Z');
  assert.equal(parseRetryAfter('7', now), 7000);
  assert.equal(parseRetryAfter('Wed, 01 May 2024 00:00:03 GMT', now), 3000);
  assert.equal(parseRetryAfter('Tue, 30 Apr 2024 00:00:00 GMT', now), 0);
  assert.equal(parseRetryAfter('soon', now), null);
  assert.equal(parseRetryAfter(null, now), null);
});

test('the reason of a refused upload is that of its file', () => {
  const error = problemFrom(415, {
    code: 'outer', detail: 'outer',
    rejected: [{ name: 'a.txt', error: { code: 'not_an_image', detail: 'it is a text' } }],
  }, null);
  assert.equal(error.kind, 'problem');
  assert.equal(error.code, 'not_an_image');
  assert.equal(error.detail, 'it is a text');
});

test('answers that are no problem+json still give words', () => {
  assert.match(problemFrom(413, null, null).detail, /larger/);
  const gateway = problemFrom(502, null, null);
  assert.equal(gateway.kind, 'busy');
  assert.match(gateway.detail, /502/);
  assert.equal(problemFrom(500, 'text', null).code, 'http_500');
});

test('a busy server says when to come back', () => {
  const error = problemFrom(429, { detail: 'full', code: 'too_many' }, '10');
  assert.deepEqual([error.kind, error.retryAfterMs], ['busy', 10000]);
});

function answerWith(t, answer) {
  const real = globalThis.fetch;
  t.after(() => { globalThis.fetch = real; });
  globalThis.fetch = async (path) => {
    answer.path = path;
    if (answer.throws) throw new TypeError('failed to fetch');
    return new Response(answer.body, { status: answer.status ?? 200 });
  };
  return answer;
}

test('a page of images: the cursor is escaped, entries without id are dropped', async (t) => {
  const answer = answerWith(t, { body: '{"images":[{"id":"a"},null,{}],"next_cursor":"9"}' });
  assert.deepEqual(await listImages(48, 'a&b'), { images: [{ id: 'a' }], cursor: '9' });
  assert.equal(answer.path, '/api/v1/images?limit=48&cursor=a%26b');
});

test('a page that is no JSON is an empty page; no answer is a network error', async (t) => {
  const answer = answerWith(t, { body: '<html>' });
  assert.deepEqual(await listImages(5), { images: [], cursor: null });
  answer.throws = true;
  await assert.rejects(listImages(5), { kind: 'network' });
});

/** A server that wants a token, and somebody who is asked for it. */
function locked(t) {
  const door = { open: false, asked: 0, calls: [] };
  const real = globalThis.fetch;
  t.after(() => {
    globalThis.fetch = real;
    onTokenRequired(null);
  });
  globalThis.fetch = async (path, options) => {
    door.calls.push([path, options]);
    return door.open ? new Response('{"images":[],"next_cursor":null}')
      : new Response('{"code":"token_required","detail":"no"}', { status: 401 });
  };
  onTokenRequired(() => new Promise((taken) => {
    door.asked += 1;
    door.unlock = () => {
      door.open = true;
      taken();
    };
  }));
  return door;
}

test('calls that want a token wait for it together, and are made again', async (t) => {
  const door = locked(t);
  const calls = Promise.all([listImages(5), listImages(6), deleteImage('a')]);
  await settle();
  assert.equal(door.asked, 1);
  assert.equal(door.calls.length, 3);
  door.unlock();
  await calls;
  assert.equal(door.calls.length, 6);
  door.open = false;  // the cookie has run out: it is asked for anew
  const again = listImages(5);
  await settle();
  assert.equal(door.asked, 2);
  door.unlock();
  await again;
});

test('where nobody can be asked, such a call fails', async (t) => {
  locked(t);
  onTokenRequired(null);
  await assert.rejects(listImages(5), { code: 'token_required' });
});

test('the token goes as JSON, and a wrong one is an error, not another question', async (t) => {
  const answer = answerWith(t, { status: 401, body: '{"code":"bad_token","detail":"no"}' });
  await assert.rejects(openSession('x'), { code: 'bad_token' });
  assert.equal(answer.path, '/api/v1/session');
});

test('a busy server is asked again when it says, and not for ever', async (t) => {
  const timers = new FakeTimers().install(t);
  let calls = 0;
  const busy = () => {
    calls += 1;
    return Promise.reject(problemFrom(429, { code: 'rate', detail: 'slowly' }, '3'));
  };
  const end = assert.rejects(patiently(busy), { code: 'rate' });
  await timers.advance(2_900);
  assert.equal(calls, 1);
  await timers.advance(200);
  assert.equal(calls, 2);
  await timers.advance(60_000);
  await end;
  assert.equal(calls, 6);
  await assert.rejects(patiently(() => Promise.reject(problemFrom(404, null, null))), { status: 404 });
});

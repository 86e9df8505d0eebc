import assert from 'node:assert/strict';
import { test } from 'node:test';

import { listImages, parseRetryAfter, problemFrom } from '../../frontend/js/api.js';

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

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Thumbnails } from '../../frontend/js/thumbnails.js';

function fixture(t) {
  const page = { asked: [], urls: new Set(), shown: [] };
  const real = { Worker: globalThis.Worker, create: URL.createObjectURL, revoke: URL.revokeObjectURL };
  t.after(() => {
    globalThis.Worker = real.Worker;
    Object.assign(URL, { createObjectURL: real.create, revokeObjectURL: real.revoke });
  });
  globalThis.Worker = class {
    constructor() { page.worker = this; }

    postMessage(message) { page.asked.push(message); }
  };
  URL.createObjectURL = (blob) => {
    page.urls.add(`blob:${blob}`);
    return `blob:${blob}`;
  };
  URL.revokeObjectURL = (url) => page.urls.delete(url);
  page.thumbnails = new Thumbnails();
  page.wish = (key) => page.thumbnails.acquire(key, `/${key}`, (url) => page.shown.push([key, url]));
  page.answer = (blob) => {
    const { job, source } = page.asked.shift();
    page.worker.onmessage({ data: { job, blob: blob === undefined ? source : blob } });
  };
  page.sources = () => page.asked.map(({ source }) => source).join(' ');
  return page;
}

test('two at a time, and what was wished for last comes next', (t) => {
  const page = fixture(t);
  for (const key of ['a', 'b', 'c', 'd']) page.wish(key);
  assert.equal(page.sources(), '/a /b');
  page.answer();
  assert.deepEqual(page.shown, [['a', 'blob:/a']]);
  assert.equal(page.sources(), '/b /d');
});

test('what went out of sight before its turn is not made', (t) => {
  const page = fixture(t);
  for (const key of ['a', 'b', 'c', 'd']) page.wish(key);
  page.thumbnails.release('d');
  page.thumbnails.release('a');  // is being made already: kept for later, shown to nobody
  page.answer();
  page.answer();
  page.answer();
  assert.equal(page.sources(), '');
  assert.deepEqual(page.shown.map(([key]) => key), ['b', 'c']);
  page.wish('a');
  assert.deepEqual(page.shown.at(-1), ['a', 'blob:/a']);
});

test('a file without a picture is not asked for again, what the server did not give is', (t) => {
  const page = fixture(t);
  const wishForFile = () => page.thumbnails.acquire('file', new Blob(), () => {});
  wishForFile();
  page.wish('a');
  page.answer(null);
  page.answer(null);
  assert.deepEqual(page.shown, [['a', null]]);
  page.thumbnails.release('file');
  page.thumbnails.release('a');
  wishForFile();
  page.wish('a');
  assert.equal(page.sources(), '/a');
});

test('a photo that comes back into sight while its picture is made is asked for once', (t) => {
  const page = fixture(t);
  page.wish('a');
  page.thumbnails.release('a');
  page.wish('a');
  assert.equal(page.asked.length, 1);
  page.answer();
  assert.deepEqual(page.shown, [['a', 'blob:/a']]);
});

test('of three thousand only so many are kept, and none that is in sight is given up', (t) => {
  const page = fixture(t);
  page.wish('in sight');
  page.answer();
  for (let n = 0; n < 3000; n += 1) {
    page.wish(`p${n}`);
    page.answer();
    page.thumbnails.release(`p${n}`);
  }
  assert.ok(page.urls.size <= 241, `${page.urls.size} addresses`);
  assert.ok(page.urls.has('blob:/in sight'));
  assert.ok(page.urls.has('blob:/p2999'));
  page.wish('p5');  // given up long ago: made anew
  assert.equal(page.sources(), '/p5');
});

test('where the worker cannot run, cards go without pictures', (t) => {
  const page = fixture(t);
  for (const key of ['a', 'b', 'c']) page.wish(key);
  page.worker.onerror();
  page.worker.onerror();
  assert.deepEqual(page.shown.map(([, url]) => url), [null, null, null]);
});

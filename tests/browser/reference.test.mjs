import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { addressed, blocks, fieldsOf, mentions, resolve, sections, typeOf }
  from '../../frontend/js/reference/document.js';

const real = JSON.parse(readFileSync(
  new URL('../../manager/app/openapi.json', import.meta.url), 'utf8'));

test('references lead to what they name, and a wrong or endless one to nothing', () => {
  const document = { a: { 'b/c': { x: 1 } }, loop: { $ref: '#/loop' } };
  assert.deepEqual(resolve(document, { $ref: '#/a/b~1c' }), { x: 1 });
  assert.deepEqual(resolve(document, { $ref: '#/nowhere/at/all' }), {});
  assert.deepEqual(resolve(document, { $ref: '#/loop' }), { $ref: '#/loop' });
});

test('every call of the real document is shown once, with all of its answers', () => {
  const shown = sections(real).flatMap(({ operations }) => operations);
  let count = 0;
  for (const [path, item] of Object.entries(real.paths)) {
    for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
      if (!item[method]) continue;
      count += 1;
      const operation = shown.find((each) => each.path === path &&
                                             each.method === method.toUpperCase());
      assert.ok(operation, `${method} ${path}`);
      assert.ok(operation.summary.length > 3);
      assert.deepEqual(operation.responses.map(({ status }) => status),
                       Object.keys(item[method].responses));
      for (const response of operation.responses) assert.ok(response.description.length > 0);
      for (const parameter of operation.parameters) assert.ok(parameter.name && parameter.type);
    }
  }
  assert.equal(shown.length, count);
});

test('sections come in the order of the tags', () => {
  const document = {
    tags: [{ name: 'B' }, { name: 'A' }, { name: 'empty' }],
    paths: { '/a': { get: { tags: ['A'], responses: {} } },
             '/b': { get: { tags: ['B'], responses: {} } },
             '/c': { get: { responses: {} } } },
  };
  assert.deepEqual(sections(document).map(({ tag }) => tag), ['B', 'A', 'Other']);
});

test('bodies of several kinds of bytes are one', () => {
  const upload = sections(real).flatMap(({ operations }) => operations)
    .find(({ id }) => id === 'uploadImages');
  assert.equal(upload.bodies.length, 1);
  assert.ok(upload.bodies[0].types.includes('multipart/form-data'));
  const accepted = upload.responses.find(({ status }) => status === '202');
  assert.deepEqual(accepted.bodies[0].fields.map(({ name }) => name), ['images', 'rejected']);
  assert.ok(JSON.parse(accepted.bodies[0].example).images);
});

test('examples name the address that the page is at', () => {
  const text = (place) => JSON.stringify(sections(addressed(real, place)));
  assert.ok(text({ protocol: 'http:', host: 'localhost:8080' }).includes("'localhost:8080/api/"));
  const other = text({ protocol: 'http:', host: 'photos.example:99' });
  assert.ok(other.includes("'photos.example:99/api/v1/images?wait=10'"));
  assert.ok(!other.includes('localhost:8080'));
  assert.ok(text({ protocol: 'https:', host: 'a.b' }).includes("'https://a.b/api/"));
  assert.ok(JSON.stringify(real).includes('localhost:8080'), 'the document itself is left alone');
});

test('types are a few words', () => {
  assert.equal(typeOf({ type: 'integer', minimum: 1, maximum: 100, default: 5 }),
               'integer 1…100, 5 if not given');
  assert.equal(typeOf({ type: ['string', 'null'] }), 'string or null');
  assert.equal(typeOf({ type: 'array', items: { $ref: '#/components/schemas/Image' } }),
               'list of Image');
  assert.equal(typeOf({ enum: ['a', 'b'] }), '"a" | "b"');
  assert.equal(typeOf({ const: true }), 'true');
  assert.equal(typeOf({ oneOf: [{ $ref: '#/x/Timing' }, { type: 'null' }] }), 'Timing or null');
  assert.equal(typeOf({}), 'any');
});

test('fields follow references', () => {
  const names = fieldsOf(real, { $ref: '#/components/schemas/Problem' }).map(({ name }) => name);
  assert.ok(names.includes('code') && names.includes('detail'));
});

test('paragraphs, code and words in between', () => {
  assert.deepEqual(blocks('Send `this`\nnow.\n\n    curl a\n    curl b\n\nDone.'), [
    { kind: 'text', parts: [{ code: false, text: 'Send ' }, { code: true, text: 'this' },
                            { code: false, text: ' now.' }] },
    { kind: 'code', text: 'curl a\ncurl b' },
    { kind: 'text', parts: [{ code: false, text: 'Done.' }] },
  ]);
  assert.deepEqual(blocks(undefined), []);
});

test('the search wants all words', () => {
  const operation = { method: 'GET', path: '/api/v1/images', summary: 'List', tag: 'Images',
                      parameters: [{ name: 'cursor' }] };
  assert.ok(mentions(operation, ''));
  assert.ok(mentions(operation, 'images CURSOR'));
  assert.ok(!mentions(operation, 'images delete'));
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { biggerModel, knowsText, modelName } from '../../frontend/js/bundled_model.js';

const root = new URL('../../', import.meta.url);
const folder = new URL('models/cifar10-inception/', root);

test('the page says what the model in the box really knows', () => {
  const labels = readFileSync(new URL('labels.txt', folder), 'utf8').trim().split('\n');
  const plurals = labels.map((label) => (label === 'deer' ? 'deer' : `${label}s`));
  assert.equal(knowsText('cifar10-inception'),
    `The model in use knows ${plurals.slice(0, -1).join(', ')} and ${plurals.at(-1)}, and nothing else.`);
  assert.match(readFileSync(new URL('model.yaml', folder), 'utf8'), /^name: "cifar10-inception"$/m);
});

test('how to get the bigger one is a file that is there', () => {
  const { command } = biggerModel('cifar10-inception');
  assert.match(readFileSync(new URL(command, root), 'utf8'), /^#!/);
});

test('nothing is said of other models', () => {
  for (const name of ['bvlc_googlenet', 'constructor', null]) {
    assert.equal(knowsText(name), '');
    assert.equal(biggerModel(name), null);
  }
});

test('the model in use: of the cluster, until then of the first message', () => {
  assert.equal(modelName({ cluster: null, model: null }), null);
  assert.equal(modelName({ cluster: null, model: { name: 'a' } }), 'a');
  assert.equal(modelName({ cluster: { model: { name: 'b' } }, model: { name: 'a' } }), 'b');
  assert.equal(modelName({ cluster: { model: null }, model: { name: 'a' } }), null);
});

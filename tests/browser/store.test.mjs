import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Store } from '../../frontend/js/store.js';

function fixture() {
  const page = { frames: [], batches: [], drawn: [] };
  page.store = new Store({
    initial: '',
    reduceAll: (state, actions) => {
      page.batches.push(actions.length);
      return state + actions.join('');
    },
    onChange: (state) => page.drawn.push(state),
    frame: (run) => page.frames.push(run),
  });
  page.nextFrame = () => { for (const run of page.frames.splice(0)) run(); };
  return page;
}

test('what comes between two frames is one batch and one redraw', () => {
  const page = fixture();
  for (const action of ['a', 'b', 'c']) page.store.dispatch(action);
  assert.equal(page.frames.length, 1);
  assert.deepEqual(page.batches, []);
  page.nextFrame();
  assert.deepEqual(page.batches, [3]);
  assert.deepEqual(page.drawn, ['abc']);
});

test('whoever asks gets the state with everything in it', () => {
  const page = fixture();
  page.store.dispatch('a');
  assert.equal(page.store.state, 'a');
  assert.equal(page.store.state, 'a');
  assert.deepEqual(page.batches, [1]);
  page.nextFrame();
  assert.deepEqual(page.drawn, ['a']);
});

test('what changes nothing is not drawn', () => {
  const page = fixture();
  page.store.dispatch('a');
  page.nextFrame();
  page.store.dispatch('');
  page.nextFrame();
  assert.deepEqual(page.drawn, ['a']);
});

test('actions dispatched while drawing come with the next frame', () => {
  const page = fixture();
  page.store.onChange = () => { if (page.drawn.push('x') === 1) page.store.dispatch('b'); };
  page.store.dispatch('a');
  page.nextFrame();
  assert.equal(page.frames.length, 1);
  page.nextFrame();
  assert.equal(page.store.state, 'ab');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { csvCell, toCsv, toJson } from '../../frontend/js/export.js';
import { BLANK } from '../../frontend/js/items.js';

const ITEM = {
  ...BLANK, key: 'a', id: 'id-a', name: 'cat, "Tom".jpg', phase: 'done', unsure: true, worker: 'w',
  top: [{ index: 281, label: 'n02123045 tabby, tabby cat', score: 0.5 },
    { index: 282, label: 'n2 tiger cat', score: 0.25 }],
  model: 'googlenet', attempts: 1, width: 4, height: 3, bytes: 12, created: 'then', totalMs: 84.5,
  timing: { total: 84.5 },
};

test('cells are quoted where RFC 4180 wants it', () => {
  const cases = [['plain', 'plain'], ['a,b', '"a,b"'], ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'], ['', ''], [null, ''], [undefined, ''], [0, '0'], [-1.5, '-1.5'],
    [true, 'true'], ['ümlaut', 'ümlaut']];
  for (const [value, text] of cases) assert.equal(csvCell(value), text);
});

test('no text is a formula', () => {
  for (const bad of ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '=cmd|\' /C calc\'!A0']) {
    assert.match(csvCell(bad), /^"?'/, bad);
  }
  assert.equal(csvCell('=HYPERLINK("http://x","y")'), '"\'=HYPERLINK(""http://x"",""y"")"');
  assert.match(csvCell('\r=1'), /^"'/);
});

test('a table of what is shown', () => {
  const lines = toCsv([ITEM, { ...BLANK, name: '=bad', phase: 'rejected',
    error: { kind: 'rejected', detail: 'no picture' } }]).split('\r\n');
  assert.equal(lines.length, 4);
  assert.equal(lines[3], '');
  assert.ok(lines[0].startsWith('name,state,label,score,unsure,label_2,score_2,'));
  assert.ok(lines[1].startsWith(
    '"cat, ""Tom"".jpg",done,"n02123045 tabby, tabby cat",0.5,true,n2 tiger cat,0.25,,,'));
  assert.ok(lines[1].endsWith(',googlenet,w,1,4,3,12,then,84.5,,id-a'));
  assert.ok(lines[2].startsWith("'=bad,rejected,,,,"));
  assert.ok(lines[2].includes(',no picture,'));
  const columns = lines[0].split(',').length;
  assert.equal(lines[2].split(',').length, columns);
});

test('nothing shown is a table without rows', () => {
  assert.equal(toCsv([]).split('\r\n').length, 2);
  assert.deepEqual(JSON.parse(toJson([])), { images: [] });
});

test('JSON for programs', () => {
  const { images } = JSON.parse(toJson([ITEM, { ...BLANK, name: 'b' }]));
  assert.equal(images[0].top[0].name, 'tabby');
  assert.equal(images[0].top[0].label, 'n02123045 tabby, tabby cat');
  assert.deepEqual(images[0].timing_ms, { total: 84.5 });
  assert.equal(images[0].error, null);
  assert.equal(images[1].state, 'unsent');
});

// What is shown of the photos, and in which order. Pure.

import { clampScore, compareTexts, labelText } from './format.js';
import { onServer, unsent } from './items.js';

export const DEFAULT_VIEW = Object.freeze({ query: '', show: 'all', sort: 'newest' });

/** Whether something is left out. */
export function isFiltered({ query, show }) {
  return query.trim() !== '' || show !== 'all';
}

/** The choices of "show": which photos each one is about. */
export const SHOWS = {
  all: () => true,
  open: (item) => unsent(item) || onServer(item),
  done: (item) => item.phase === 'done',
  unsure: (item) => item.phase === 'done' && item.unsure,
  problem: (item) => item.phase === 'failed' || item.phase === 'rejected',
};

// A text such that plain comparing sorts as people do: numbers by value, no matter the case and
// accents. (Intl.Collator does that too, but takes 50 ms for three thousand names.)
function sortText(text) {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
    .replace(/\d+/g, (digits) => digits.padStart(16, '0'));
}

const label = ({ top }) => (top.length > 0 ? sortText(labelText(top[0].label).short) : null);
const score = ({ top }) => (top.length > 0 ? clampScore(top[0].score) : null);

/** The choices of "sort": what each one looks at, and how two of these compare. */
const SORTS = {
  name: { by: ({ name }) => sortText(name), compare: compareTexts },
  label: { by: label, compare: compareTexts },
  score: { by: score, compare: (a, b) => b - a },
  time: { by: ({ totalMs }) => totalMs, compare: (a, b) => b - a },
};

// What a query is looked for in, once for each item: an item never changes, it is replaced.
const texts = new WeakMap();
function textOf(item) {
  let text = texts.get(item);
  if (text === undefined) {
    text = [item.name, ...item.top.map((answer) => String(answer.label ?? ''))]
      .join('\n').toLowerCase();
    texts.set(item, text);
  }
  return text;
}

/** Keys of what is shown, in order. The order itself where nothing is left out or sorted. */
export function shownKeys({ items, order, view: { query, show, sort } }) {
  const wanted = query.trim().toLowerCase();
  let keys = order;
  if (wanted || show !== 'all') {
    keys = keys.filter((key) => SHOWS[show](items.get(key)) &&
                                (!wanted || textOf(items.get(key)).includes(wanted)));
  }
  return Object.hasOwn(SORTS, sort) ? sorted(keys, items, SORTS[sort]) : keys;
}

// What has no such value comes last; equals keep the order that they had.
function sorted(keys, items, { by, compare }) {
  const rows = keys.map((key) => ({ key, value: by(items.get(key)) }));
  rows.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
    return compare(a.value, b.value);
  });
  return rows.map(({ key }) => key);
}

/** shownKeys that remembers its last answer: most frames change nothing of what it depends on. */
export function rememberingView() {
  let last = {};
  return (state) => {
    const { items, order, view } = state;
    const plain = view.show === 'all' && !view.query && view.sort === 'newest';
    if (order !== last.order || view !== last.view || (!plain && items !== last.items)) {
      last = { items, order, view, keys: shownKeys(state) };
    }
    return last.keys;
  };
}

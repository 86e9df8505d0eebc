// The columns of the workers' table: what each shows, explains and is sorted by. Pure, no DOM.

import { age, bits, bytes, count, perSecond, time, UNKNOWN } from './figures.js';

const STATES = {
  ready: 'Ready',
  draining: 'Draining',
  ejected: 'Left out',
  left: 'Left',
};
const STATE_ORDER = ['ready', 'draining', 'ejected', 'left'];
const EXPLAINED = {
  ready: 'takes images',
  draining: 'finishes what it holds and takes nothing new',
  ejected: 'kept failing, and gets nothing for a while',
  left: 'is not connected any more',
};

export const stateText = (state) => STATES[state] ?? String(state ?? 'unknown');
export const stateHint = (state) => EXPLAINED[state] ?? '';

/**
 * key: of a worker in a message. title: what the column means. text: (worker) => what is shown.
 * note: (worker) => a smaller line below, '' for none. by: (worker) => what to sort by.
 * descending: the first sort puts the largest first.
 */
export const COLUMNS = [
  { key: 'name', label: 'Worker', title: 'Name and address', text: (w) => String(w.name ?? ''),
    note: (w) => String(w.address ?? ''), by: (w) => String(w.name ?? '') },
  { key: 'state', label: 'State', title: 'Whether it takes images', text: (w) => stateText(w.state),
    by: (w) => STATE_ORDER.indexOf(w.state) },
  { key: 'model', label: 'Model', title: 'The model that it serves', text: (w) => String(w.model ?? UNKNOWN),
    by: (w) => String(w.model ?? '') },
  { key: 'in_flight', label: 'In flight', number: true, descending: true,
    title: 'Images that it holds, of its window: as many as keep it busy. Credit: what it would take',
    text: (w) => `${count(w.in_flight)} of ${count(w.window)}`,
    note: (w) => `credit ${count(w.credit)}`, by: (w) => w.in_flight },
  { key: 'images_per_s', label: 'Images/s', number: true, descending: true,
    title: 'Answers over the last 10 seconds', text: (w) => perSecond(w.images_per_s),
    by: (w) => w.images_per_s },
  { key: 'service_ms', label: 'Service', number: true, title: 'Time for one image, smoothed',
    text: (w) => (w.service_ms > 0 ? time(w.service_ms) : UNKNOWN), by: (w) => w.service_ms || null },
  { key: 'rtt_ms', label: 'Round trip', number: true,
    title: 'Of PING and PONG, smoothed; least: the shortest that TCP saw, the path alone',
    text: (w) => time(w.rtt_ms),
    note: (w) => (w.tcp_least_rtt_ms == null ? '' : `least ${time(w.tcp_least_rtt_ms)}`),
    by: (w) => w.rtt_ms },
  { key: 'retransmissions', label: 'Resent', number: true, descending: true,
    title: 'TCP segments sent again since it connected', text: (w) => count(w.retransmissions),
    by: (w) => w.retransmissions },
  { key: 'delivery_bits_per_s', label: 'Delivery', number: true, descending: true,
    title: 'What its connection delivered lately, as TCP measures it; out: sent and not acknowledged',
    text: (w) => bits(w.delivery_bits_per_s),
    note: (w) => (w.unacknowledged_bytes > 0 ? `${bytes(w.unacknowledged_bytes)} out` : ''),
    by: (w) => w.delivery_bits_per_s },
  { key: 'done', label: 'Done', number: true, descending: true, title: 'Images that it recognised',
    text: (w) => count(w.done), by: (w) => w.done },
  { key: 'failed', label: 'Failed', number: true, descending: true,
    title: 'Images that it could not do', text: (w) => count(w.failed), by: (w) => w.failed },
  { key: 'connected_s', label: 'Connected', number: true, descending: true,
    title: 'How long it has been connected', text: (w) => age(w.connected_s), by: (w) => w.connected_s },
];

const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function compare(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return byName.compare(String(a), String(b));
  return a - b;
}

const unknown = (value) => value === null || value === undefined || Number.isNaN(value);

/** A sorted copy. What is not known comes last either way; equals keep to their names. */
export function sorted(workers, { key, descending }) {
  const column = COLUMNS.find((one) => one.key === key) ?? COLUMNS[0];
  const sign = descending ? -1 : 1;
  return [...workers].sort((a, b) => {
    const [left, right] = [column.by(a), column.by(b)];
    if (unknown(left) || unknown(right)) {
      if (unknown(left) !== unknown(right)) return unknown(left) ? 1 : -1;
    } else {
      const order = compare(left, right);
      if (order !== 0) return sign * order;
    }
    return byName.compare(String(a.name), String(b.name)) || a.id - b.id;
  });
}

/** Another column: its usual order first. The same again: the other way round. */
export function nextSort(sort, key) {
  if (sort.key === key) return { key, descending: !sort.descending };
  return { key, descending: COLUMNS.find((one) => one.key === key)?.descending ?? false };
}

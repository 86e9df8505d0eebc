// The columns of the workers' table: what each shows, explains and is sorted by. Pure, no DOM.

import { age, bits, bytes, count, perSecond, share, time } from './figures.js';

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

/** "63.9 KiB of 118 KiB" */
function underWay({ unacknowledged_bytes: out, congestion_window_bytes: window }) {
  if (out == null) return '';
  return window == null ? bytes(out) : `${bytes(out)} of ${bytes(window)}`;
}

/**
 * key: of a worker in a message. title: what the column means. text: (worker) => what is shown.
 * note: (worker) => a smaller line below, '' for none. by: (worker) => what to sort by.
 * descending: the first sort puts the largest first.
 */
export const COLUMNS = [
  { key: 'name', label: 'Worker', title: 'Name and address', text: (w) => String(w.name ?? ''),
    note: (w) => String(w.address ?? ''), by: (w) => String(w.name ?? '') },
  { key: 'state', label: 'State', title: 'Whether it takes images; the model that it serves',
    text: (w) => stateText(w.state), note: (w) => String(w.model ?? ''),
    by: (w) => STATE_ORDER.indexOf(w.state) },
  { key: 'in_flight', label: 'In flight', number: true, descending: true,
    title: 'Images that it holds, of its window: as many as keep it busy. Credit: what it would take',
    text: (w) => `${count(w.in_flight)} of ${count(w.window)}`,
    note: (w) => `credit ${count(w.credit)}`, by: (w) => w.in_flight },
  { key: 'images_per_s', label: 'Images/s', number: true, descending: true,
    title: 'Answers over the last 10 seconds; each: time for one image, smoothed',
    text: (w) => perSecond(w.images_per_s),
    note: (w) => (w.service_ms > 0 ? `${time(w.service_ms)} each` : ''), by: (w) => w.images_per_s },
  { key: 'rtt_ms', label: 'Round trip', number: true,
    title: 'Of PING and PONG, smoothed; TCP: of its segments, smoothed, and the shortest lately, which '
      + 'is the path alone',
    text: (w) => time(w.rtt_ms),
    note: (w) => (w.tcp_rtt_ms == null ? '' : `TCP ${time(w.tcp_rtt_ms)}, least ${time(w.tcp_least_rtt_ms)}`),
    by: (w) => w.rtt_ms },
  { key: 'wire_out_bits_per_s', label: 'On the wire', number: true, descending: true,
    title: 'What went to it over the last 10 seconds, headers and packets sent again included; back: '
      + 'what came from it',
    text: (w) => bits(w.wire_out_bits_per_s),
    note: (w) => (w.wire_in_bits_per_s == null ? '' : `${bits(w.wire_in_bits_per_s)} back`),
    by: (w) => w.wire_out_bits_per_s },
  { key: 'retransmitted_share', label: 'Resent', number: true, descending: true,
    title: 'Share of the TCP segments of the last minute that were sent again; how many since it '
      + 'connected, and which congestion control',
    text: (w) => share(w.retransmitted_share),
    note: (w) => [w.retransmissions == null ? '' : count(w.retransmissions), w.congestion_control ?? '',
      w.connections > 1 ? `${count(w.connections)} connections` : ''].filter(Boolean).join(' · '),
    by: (w) => w.retransmitted_share },
  { key: 'delivery_bits_per_s', label: 'Delivery', number: true, descending: true,
    title: 'What its connection delivered lately, as TCP measures it; sent and not acknowledged yet, '
      + 'of what congestion control allows',
    text: (w) => bits(w.delivery_bits_per_s), note: underWay, by: (w) => w.delivery_bits_per_s },
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

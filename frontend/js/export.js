// What is shown, as files: CSV for spreadsheets, JSON for programs. Pure, but for download().

import { labelText } from './format.js';

const RANKS = [0, 1, 2, 3, 4];
const COLUMNS = {
  name: (item) => item.name,
  state: stateOf,
  label: (item) => item.top[0]?.label,
  score: (item) => item.top[0]?.score,
  unsure: (item) => (item.phase === 'done' ? item.unsure : null),
  ...Object.fromEntries(RANKS.slice(1).flatMap((rank) => [
    [`label_${rank + 1}`, (item) => item.top[rank]?.label],
    [`score_${rank + 1}`, (item) => item.top[rank]?.score],
  ])),
  model: (item) => item.model,
  worker: (item) => item.worker,
  attempts: (item) => item.attempts,
  width: (item) => item.width,
  height: (item) => item.height,
  bytes: (item) => item.bytes,
  created: (item) => item.created,
  total_ms: (item) => item.totalMs,
  error: (item) => item.error?.detail,
  id: (item) => item.id,
};

function stateOf({ phase }) {
  return phase === 'waiting' || phase === 'uploading' ? 'unsent' : phase;
}

/**
 * One cell as RFC 4180 wants it. A text that a spreadsheet would take for a formula gets an
 * apostrophe in front: names and labels come from strangers.
 */
export function csvCell(value) {
  if (value === null || value === undefined) return '';
  let text = String(value);
  if (typeof value === 'string' && /^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(items) {
  const rows = items.map((item) => Object.values(COLUMNS).map((read) => read(item)));
  return [Object.keys(COLUMNS), ...rows]
    .map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

export function toJson(items) {
  const images = items.map((item) => ({
    id: item.id, name: item.name, state: stateOf(item), created: item.created, model: item.model,
    top: item.top.map(({ index, label, score }) =>
      ({ index, label, name: labelText(label).short, score })),
    unsure: item.unsure, attempts: item.attempts, worker: item.worker, width: item.width,
    height: item.height, bytes: item.bytes, timing_ms: item.timing,
    error: item.error ? { code: item.error.code ?? null, detail: item.error.detail ?? null } : null,
  }));
  return `${JSON.stringify({ images }, null, 2)}\n`;
}

const KINDS = {
  csv: { write: toCsv, type: 'text/csv;charset=utf-8' },
  json: { write: toJson, type: 'application/json' },
};

/** Offers the items as a file. kind: 'csv' or 'json'. */
export function download(kind, items, now = new Date()) {
  const { write, type } = KINDS[kind];
  const url = URL.createObjectURL(new Blob([write(items)], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `imgrec-${now.toISOString().slice(0, 19).replaceAll(':', '')}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);  // the browser reads it after the click
}

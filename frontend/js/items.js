// What one photo is: its fields, its phases, and what the server's IMAGE says of it. Pure.

export const BLANK = Object.freeze({
  id: null, phase: 'waiting', progress: 0, note: '', top: [], unsure: false, model: null,
  worker: null, attempts: 0, totalMs: null, timing: null, width: null, height: null, bytes: null,
  created: null, error: null, contentUrl: null, deleting: false,
});

export const onServer = ({ phase }) => phase === 'queued' || phase === 'assigned';
export const settled = ({ phase }) => phase === 'done' || phase === 'failed';
export const unsent = ({ phase }) => phase === 'waiting' || phase === 'uploading';

const FINAL = new Set(['not_an_image', 'damaged_image', 'too_many_pixels']);

/** Whether sending it again may help. */
export function canRetry({ phase, error }) {
  if (phase === 'rejected') return error.kind !== 'rejected';
  return phase === 'failed' && !FINAL.has(error.code);
}

/** How many items are where; total = done + failed + rejected + open, unsent is part of open. */
export const NO_ITEMS = Object.freeze({
  total: 0, done: 0, failed: 0, rejected: 0, unsent: 0, open: 0, retryable: 0,
});

/** Adds an item to such counts, or takes it away (sign -1). Changes `tally`. */
export function count(tally, item, sign) {
  tally.total += sign;
  if (unsent(item)) tally.unsent += sign;
  if (unsent(item) || onServer(item)) tally.open += sign;
  else tally[item.phase] += sign;
  if (canRetry(item)) tally.retryable += sign;
}

const PARTS = ['upload', 'queue', 'wire', 'decode', 'inference', 'push', 'total'];

function timingOf(times) {
  if (typeof times !== 'object' || times === null) return null;
  return Object.fromEntries(PARTS.map((part) => [part, Math.max(0, Number(times[part]) || 0)]));
}

const numberOrNull = (value) => (Number.isFinite(value) ? value : null);
const textOrNull = (value) => (value === null || value === undefined ? null : String(value));

/** The fields of an item that an IMAGE says. Outside data: nothing is taken on trust. */
export function fieldsOf(image) {
  const failed = image.state === 'failed';
  const url = String(image.content_url ?? '');
  return {
    id: String(image.id),
    name: String(image.name ?? ''),
    phase: ['assigned', 'done', 'failed'].includes(image.state) ? image.state : 'queued',
    note: '',
    top: Array.isArray(image.top) ? image.top.filter(Boolean).slice(0, 5) : [],
    unsure: image.unsure === true,
    model: textOrNull(image.model),
    worker: textOrNull(image.worker),
    attempts: Number(image.attempts) || 0,
    totalMs: image.timing_ms?.total ?? null,
    timing: timingOf(image.timing_ms),
    width: numberOrNull(image.width),
    height: numberOrNull(image.height),
    bytes: numberOrNull(image.bytes),
    created: textOrNull(image.created),
    error: failed ? { ...image.error, kind: 'failed' } : null,
    contentUrl: /^\/[^/]/.test(url) ? url : null,  // on this server only
  };
}

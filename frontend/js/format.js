// Figures and names as people read them. Pure functions, no DOM.

const SYNSET = /^[nvars]\d{8}\s+/;

/**
 * A line of labels.txt for a card: "n01440764 tench, Tinca tinca" → short "tench".
 * Lines of other models, which have no synset id, are taken as they are.
 * @returns {{short: string, full: string}}
 */
export function labelText(line) {
  const full = String(line ?? '').trim();
  const names = full.replace(SYNSET, '');
  const short = names.split(',')[0].trim() || names || full;
  return { short: short || 'unnamed class', full };
}

/** A probability from 0 to 1. Never claims certainty: 0.9999 is ">99%", 0.001 is "<1%". */
export function percent(score) {
  const p = clampScore(score) * 100;
  if (p > 99 && p < 100) return '>99%';
  if (p > 0 && p < 1) return '<1%';
  return `${Math.round(p)}%`;
}

/** The same with one digit behind the point, for the list of five. */
export function percentFine(score) {
  const p = clampScore(score) * 100;
  if (p > 99.9 && p < 100) return '>99.9%';
  if (p > 0 && p < 0.1) return '<0.1%';
  return `${p.toFixed(1)}%`;
}

export function clampScore(score) {
  const value = Number(score);
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}

/** Milliseconds: "84 ms", "1.24 s", "12.3 s", "2 min 5 s". */
export function duration(ms) {
  const value = Number(ms);
  if (!Number.isFinite(value) || value < 0) return '';
  if (value < 1) return '<1 ms';
  if (value < 999.5) return `${Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Images per second, with as many digits as mean something. */
export function rate(perSecond) {
  const value = Number(perSecond);
  if (!Number.isFinite(value) || value <= 0) return '0';
  if (value < 0.1) return '<0.1';
  return value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

/** "1 photo", "5 photos". */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Overall progress, for the header: "12 of 100 recognized". */
export function progressText({ total, done, open, failed, rejected }) {
  if (total === 0) return '';
  const errors = failed + rejected;
  if (open + errors === 0) return total === 1 ? '1 photo recognized' : `All ${total} recognized`;
  return `${done} of ${total} recognized${errors ? ` · ${plural(errors, 'error')}` : ''}`;
}

/** The same where there is little room: "12/100 · 1 error". */
export function progressTextShort({ total, done, failed, rejected }) {
  const errors = failed + rejected;
  return total === 0 ? '' : `${done}/${total}${errors ? ` · ${plural(errors, 'error')}` : ''}`;
}

/** The footer's parts, from a cluster message, until there is one from hello's `model`. */
export function clusterParts(cluster, model = null) {
  if (!cluster) return model ? [modelText(model.name)] : [];
  const ready = readyWorkers(cluster);
  const parts = [
    ready === 0 ? 'no worker ready' : `${plural(ready, 'worker')} ready`,
    `${cluster.queue_depth ?? 0} in the queue`,
    `${rate(cluster.throughput?.['10s']?.images_per_s)} images/s`,
  ];
  parts.push(modelText(cluster.model?.name));
  return parts;
}

function modelText(name) {
  return name ? `Model: ${name}` : 'Waiting for workers';
}

export function readyWorkers(cluster) {
  const workers = Array.isArray(cluster?.workers) ? cluster.workers : [];
  return workers.filter((worker) => worker?.state === 'ready').length;
}

/** A server's sentence as one of ours: capital letter first, a full stop last. */
export function sentence(text) {
  const trimmed = String(text ?? '').trim();
  if (!trimmed) return '';
  const first = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

/** Bytes: "812 bytes", "34 KB", "2.4 MB"; nothing where there is no number. */
export function bytesText(bytes) {
  if (!Number.isFinite(bytes) || bytes < 0) return '';
  if (bytes < 1000) return plural(bytes, 'byte');
  const kilobytes = bytes / 1000;
  if (kilobytes < 999.5) return `${kilobytes < 9.95 ? kilobytes.toFixed(1) : Math.round(kilobytes)} KB`;
  return `${(kilobytes / 1000).toFixed(1)} MB`;
}

/** An RFC 3339 time as the person's own clock and language tell it. */
export function dateText(time) {
  const date = new Date(time ?? NaN);
  if (Number.isNaN(date.getTime())) return '';
  return date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** "camera-2026-01-31-140509": a name for what has none, by the person's own clock. */
export function stamp(what, now = new Date()) {
  const two = (number) => String(number).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${what}-${day}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`;
}

/** Plain comparing, for sort(). */
export const compareTexts = (a, b) => (a < b ? -1 : Number(a > b));

// What the charts draw and say: points, sentences and table rows out of samples. Pure, no DOM.

import { bits, count, perSecond, time } from './figures.js';

/**
 * lines: what is drawn. text: a figure in words; mark: the same at the axis; now: the newest one of
 * the first line, beside the title. least: the axis goes up to this at least. whole: it has no
 * fractions. stepped: it changes at once, and a span's most counts rather than its mean.
 */
export const CHARTS = [
  { id: 'throughput', title: 'Throughput', least: 1, text: (v) => `${perSecond(v)} images/s`,
    mark: (v) => short(perSecond(v)),
    lines: [{ key: 'images_per_s', label: 'Images/s' }] },
  { id: 'latency', title: 'Latency', least: 10, text: time, mark: (v) => short(time(v)),
    now: (v) => `p50 ${time(v)}`,
    lines: [{ key: 'p50_ms', label: 'p50' }, { key: 'p90_ms', label: 'p90' },
            { key: 'p99_ms', label: 'p99' }] },
  { id: 'data', title: 'Data rate', least: 1000, text: bits, mark: (v) => short(bits(v)),
    lines: [{ key: 'bits_per_s', label: 'Photos' }, { key: 'wire_out_bits_per_s', label: 'To workers' },
            { key: 'wire_in_bits_per_s', label: 'From workers' }] },
  { id: 'queue', title: 'Queue', least: 4, whole: true, text: count, now: (v) => `${count(v)} waiting`,
    lines: [{ key: 'queue_depth', label: 'Waiting' }, { key: 'in_flight', label: 'In flight' }] },
  { id: 'workers', title: 'Workers', least: 2, whole: true, stepped: true, text: count,
    now: (v) => `${count(v)} connected`,
    lines: [{ key: 'workers', label: 'Connected' }] },
];

/** "40.0 Mbit/s" -> "40 Mbit/s", "1.50 s" -> "1.5 s", "0 ms" -> "0": an axis has round numbers. */
function short(text) {
  return text.replace(/\.?0+(?= |$)/, (zeros, at, all) => (all.slice(0, at + 1).includes('.') ? '' : zeros))
    .replace(/^0 .*/, '0');
}

const MAX_GAP_S = 3;
const number = (value) => (Number.isFinite(value) && value !== null ? value : null);

/** A range that is not mostly empty: a minute at first, five when there is enough to see. */
export function rangeFor(samples) {
  const span = samples.length > 0 ? samples.at(-1).second - samples[0].second : 0;
  return span < 150 ? 60 : 300;
}

/** Samples of the last `range` seconds. */
export function within(samples, range) {
  const newest = samples.at(-1)?.second;
  return samples.filter((sample) => sample.second > newest - range);
}

/** [{x: seconds before now, y}], with a hole where seconds are missing. */
export function points(samples, key) {
  const newest = samples.at(-1)?.second;
  const list = [];
  let before = null;
  for (const sample of samples) {
    if (before !== null && sample.second - before > MAX_GAP_S) {
      list.push({ x: before + 1 - newest, y: null });
    }
    list.push({ x: sample.second - newest, y: number(sample[key]) });
    before = sample.second;
  }
  return list;
}

/** {now, least, most, mean} of one line; null where nothing was measured. */
export function stats(samples, key) {
  const values = samples.map((sample) => number(sample[key])).filter((value) => value !== null);
  if (values.length === 0) return null;
  return {
    now: number(samples.at(-1)[key]),
    least: Math.min(...values),
    most: Math.max(...values),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  };
}

/** "1 minute", "5 minutes" */
export function rangeText(range) {
  const minutes = Math.round(range / 60);
  return minutes === 1 ? '1 minute' : `${minutes} minutes`;
}

/** The chart in words, for who does not see it. */
export function describe(chart, samples, range) {
  const span = `Last ${rangeText(range)}.`;
  const parts = chart.lines.map(({ key, label }) => {
    const of = stats(samples, key);
    if (of === null) return `${label}: nothing measured.`;
    const now = of.now === null ? 'nothing now' : `now ${chart.text(of.now)}`;
    return `${label}: ${now}, from ${chart.text(of.least)} to ${chart.text(of.most)}.`;
  });
  return `${chart.title}. ${span} ${parts.join(' ')}`;
}

const ROWS = 6;

/** The chart as a table: [{when, values: [text]}], the means of equal spans, newest first. */
export function tableRows(chart, samples, range) {
  const newest = samples.at(-1)?.second;
  const step = range / ROWS;
  const rows = [];
  for (let index = 0; index < ROWS && newest !== undefined; index += 1) {
    const to = newest - index * step;
    const some = samples.filter((sample) => sample.second <= to && sample.second > to - step);
    if (some.length === 0) continue;
    rows.push({
      when: index === 0 ? `last ${step} s` : `${spanText(index * step)} to ${spanText((index + 1) * step)} ago`,
      values: chart.lines.map(({ key }) => {
        const of = stats(some, key);
        return of === null ? '–' : chart.text(chart.stepped ? of.most : of.mean);
      }),
    });
  }
  return rows;
}

function spanText(seconds) {
  return seconds < 60 ? `${seconds} s` : `${+(seconds / 60).toFixed(1)} min`;
}

/** Marks of the time axis, in seconds before now. */
export function timeMarks(range) {
  const step = range <= 60 ? 15 : range <= 300 ? 60 : 120;
  const marks = [];
  for (let at = 0; at <= range; at += step) marks.push(-at);
  return marks.reverse();
}

/** "now", "45 s", "2 min": how long before now. */
export function timeMark(at) {
  if (at === 0) return 'now';
  return -at < 60 ? `${-at} s` : `${-at / 60} min`;
}

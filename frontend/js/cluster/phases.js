// Where the time of an image goes, by phase. Pure, no DOM.

export const PHASES = [
  { key: 'upload', label: 'Upload', title: 'From the first byte of the request until it is stored' },
  { key: 'queue', label: 'Queue', title: 'Waiting for a worker, and in the worker' },
  { key: 'wire', label: 'Wire', title: 'On the way to the worker and back' },
  { key: 'decode', label: 'Decode', title: 'Making pixels of the file' },
  { key: 'inference', label: 'Inference', title: 'The model at work' },
  { key: 'total', label: 'Total', title: 'From the first byte of the request to the stored result' },
];

/** [{key, label, title, p50, p90, p99, share: {p50, p99}}]; shares are of the longest p99. */
export function phaseRows(latency) {
  const of = PHASES.map((phase) => ({ ...phase, ...read(latency?.[phase.key]) }));
  const longest = Math.max(0, ...of.map((phase) => phase.p99 ?? 0));
  const share = (value) => (longest > 0 && value !== null ? value / longest : 0);
  return of.map((phase) => ({ ...phase, share: { p50: share(phase.p50), p99: share(phase.p99) } }));
}

function read(percentiles) {
  const value = (key) => (Number.isFinite(percentiles?.[key]) ? percentiles[key] : null);
  return { p50: value('p50_ms'), p90: value('p90_ms'), p99: value('p99_ms') };
}

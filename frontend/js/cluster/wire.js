// What all workers' connections carry together, in a line. Pure, no DOM.

import { bits, bytes, count, share } from './figures.js';

/** "10.8 Mbit/s to all, 252 kbit/s back · 13.4 MiB and 310 KiB in all · 0.3 % resent · bbr" */
export function wireText({ cluster, workers }) {
  const now = cluster?.throughput?.['10s'];
  const all = cluster?.wire;
  if (!all) return '';
  return [
    `${bits(now?.wire_out_bits_per_s)} to workers, ${bits(now?.wire_in_bits_per_s)} back`,
    `${bytes(all.out_bytes)} and ${bytes(all.in_bytes)} in all`,
    all.retransmitted_share == null ? '' : `${share(all.retransmitted_share)} resent`,
    controls(workers),
  ].filter(Boolean).join(' · ');
}

/** "bbr", or "2 bbr, 1 cubic" where they differ. */
function controls(workers) {
  const counts = new Map();
  for (const { congestion_control: name, leftAt } of workers) {
    if (name && leftAt === undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts.keys()];
  return names.length < 2 ? names.join('') : names.map((name) => `${count(counts.get(name))} ${name}`).join(', ');
}

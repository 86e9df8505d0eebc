// Where the time of one photo went: one bar of segments, and a legend with the figures.

import { duration } from '../format.js';
import { element } from './element.js';

const PARTS = {
  upload: 'Upload', queue: 'Queue', wire: 'Wire', decode: 'Decode', inference: 'Inference',
  push: 'Push', other: 'Other',
};

/** The parts of a photo's time that took any, with what none of them accounts for. Pure. */
export function splitOf(timing) {
  const parts = Object.keys(PARTS).filter((name) => name !== 'other')
    .map((name) => ({ name, ms: timing[name] }));
  const other = timing.total - parts.reduce((sum, { ms }) => sum + ms, 0);
  // Rounding alone makes a little of it; only what one could see is worth a segment.
  if (other > Math.max(1, timing.total * 0.01)) parts.push({ name: 'other', ms: other });
  return parts;
}

export class TimeSplit {
  #bar;
  #legend;
  #total;

  constructor({ bar, legend, total }) {
    this.#bar = bar;
    this.#legend = legend;
    this.#total = total;
  }

  show(timing) {
    const parts = splitOf(timing);
    this.#total.textContent = duration(timing.total);
    this.#bar.replaceChildren(...parts.filter(({ ms }) => ms > 0).map(segment));
    const spoken = parts.map(({ name, ms }) => `${PARTS[name]} ${duration(ms)}`).join(', ');
    this.#bar.setAttribute('aria-label', `${duration(timing.total)} in all: ${spoken}`);
    this.#legend.replaceChildren(...parts.flatMap(entry));
  }
}

function segment({ name, ms }) {
  const made = element('span', 'split-part');
  made.dataset.part = name;
  made.style.flexGrow = String(ms);
  made.title = `${PARTS[name]}: ${duration(ms)}`;
  return made;
}

function entry({ name, ms }) {
  const term = element('dt', '', PARTS[name]);
  term.dataset.part = name;
  return [term, element('dd', '', duration(ms))];
}

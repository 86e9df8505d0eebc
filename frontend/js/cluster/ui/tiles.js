// Owns the row of figures at the top: the cluster at this moment.

import { age, bits, count, perSecond, time, UNKNOWN } from '../figures.js';
import { byState } from '../state.js';
import { make, setShare, setText } from './element.js';

const TILES = [
  { id: 'workers', label: 'Workers', unit: 'ready', read: workers },
  { id: 'throughput', label: 'Throughput', unit: 'images/s', read: throughput },
  { id: 'latency', label: 'Latency', unit: 'p50', read: latency },
  { id: 'queue', label: 'Queue', unit: 'waiting', read: queue },
  { id: 'images', label: 'Images', unit: 'accepted', read: images },
  { id: 'sockets', label: 'Pages', unit: 'listening', read: sockets },
];

function workers({ workers: all }) {
  const { ready = 0, draining = 0, ejected = 0 } = byState(all);
  return { value: count(ready), note: `${count(draining)} draining · ${count(ejected)} left out` };
}

function throughput({ cluster }) {
  const { '10s': now, '1m': minute } = cluster.throughput ?? {};
  return { value: perSecond(now?.images_per_s),
           note: `${bits(now?.bits_per_s)} · last minute ${perSecond(minute?.images_per_s)}` };
}

function latency({ cluster }) {
  const of = cluster.latency?.['1m']?.total;
  if (!of) return { value: UNKNOWN, unit: '', note: 'nothing settled in the last minute' };
  return { value: time(of.p50_ms), note: `p90 ${time(of.p90_ms)} · p99 ${time(of.p99_ms)}` };
}

function queue({ cluster }) {
  return { value: count(cluster.queue_depth), note: `${count(cluster.in_flight)} in flight` };
}

function images({ cluster }) {
  const { accepted = 0, done = 0, failed = 0, open = 0 } = cluster.totals ?? {};
  return { value: count(accepted), parts: { done, failed, open }, whole: accepted,
           note: `= ${count(done)} done + ${count(failed)} failed + ${count(open)} open` };
}

function sockets({ cluster }) {
  return { value: count(cluster.sockets), note: `manager up for ${age(cluster.uptime_s)}` };
}

class Tile {
  constructor({ id, label, unit = '', read }) {
    Object.assign(this, { unit, read });
    this.element = make('div', 'tile');
    this.element.id = `tile-${id}`;
    this.value = make('span', 'tile-value', UNKNOWN);
    this.unitElement = make('span', 'tile-unit', unit);
    this.note = make('dd', 'tile-note');
    this.figure = make('dd', 'tile-figure');
    this.figure.append(this.value, ' ', this.unitElement);
    this.element.append(make('dt', 'tile-label', label), this.figure, this.note);
  }

  update(state) {
    const { value, unit = this.unit, note, parts, whole } = this.read(state);
    setText(this.value, value);
    setText(this.unitElement, unit);
    setText(this.note, note);
    if (parts) this.#showParts(parts, whole);
  }

  // The note says the same in words.
  #showParts(parts, whole) {
    if (!this.bar) {
      this.bar = make('span', 'ledger');
      this.bar.append(...Object.keys(parts).map((name) => make('span', `ledger-${name}`)));
      this.figure.append(this.bar);
    }
    Object.values(parts).forEach((part, index) => {
      setShare(this.bar.children[index], '--share', whole > 0 ? part / whole : 0);
    });
  }
}

export class Tiles {
  #tiles = TILES.map((tile) => new Tile(tile));

  constructor(element) {
    element.append(...this.#tiles.map((tile) => tile.element));
  }

  update(state) {
    if (state.cluster === null) return;
    for (const tile of this.#tiles) tile.update(state);
  }
}

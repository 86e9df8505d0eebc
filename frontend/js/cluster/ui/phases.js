// Owns the table of latency percentiles by phase, with a bar for each.

import { count, time } from '../figures.js';
import { phaseRows } from '../phases.js';
import { make, setShare, setText } from './element.js';

export class Phases {
  #body;
  #note;
  #rows = [];

  constructor(section) {
    this.#body = section.querySelector('tbody');
    this.#note = section.querySelector('.panel-note');
  }

  update({ cluster }) {
    if (cluster === null) return;
    const latency = cluster.latency?.['1m'];
    setText(this.#note, latency?.images > 0
      ? `${count(latency.images)} images of the last minute` : 'Nothing settled in the last minute');
    phaseRows(latency).forEach((phase, index) => {
      this.#rows[index] ??= this.#make(phase);
      const { bar, cells } = this.#rows[index];
      setShare(bar, '--p50', phase.share.p50);
      setShare(bar, '--p99', phase.share.p99);
      ['p50', 'p90', 'p99'].forEach((key, at) => setText(cells[at], time(phase[key])));
    });
  }

  #make({ key, label, title }) {
    const row = make('tr', `phase-${key}`);
    const name = make('th', '', label);
    name.scope = 'row';
    name.title = title;
    const bar = make('td', 'phase-bar');
    bar.append(make('span'));
    const cells = [make('td', 'number'), make('td', 'number'), make('td', 'number')];
    row.append(name, bar, ...cells);
    this.#body.append(row);
    return { bar, cells };
  }
}

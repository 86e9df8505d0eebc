// Owns the table of workers: one row each, kept while it lives, sorted by a column's button or, on
// a phone where the rows are cards, by the menu.

import { COLUMNS, nextSort, sorted, stateHint } from '../columns.js';
import { make, setAttribute, setShare, setText } from './element.js';

const SVG = 'http://www.w3.org/2000/svg';
const JUST_JOINED_MS = 4_000;

export class WorkersTable {
  #body;
  #menu;
  #headers = new Map();  // column's key -> <th>
  #rows = new Map();     // worker's id -> Row
  #sort = { key: 'name', descending: false };
  #state = null;

  constructor(table, menu) {
    this.#body = table.tBodies[0];
    this.#menu = menu;
    const row = make('tr');
    row.setAttribute('role', 'row');
    for (const column of COLUMNS) row.append(this.#header(column));
    table.tHead.append(row);
    for (const { key, label } of COLUMNS) menu.append(new Option(label, key));
    menu.addEventListener('change', () => {
      this.#sort = nextSort({ key: null }, menu.value);
      this.#show();
    });
    this.#showSort();
  }

  update(state) {
    this.#state = state;
    this.#show();
  }

  #header({ key, label, title, number }) {
    const header = make('th', number ? 'number' : '');
    header.scope = 'col';
    header.setAttribute('role', 'columnheader');
    const button = make('button', 'sort', label);
    button.type = 'button';
    button.title = title;
    const icon = document.createElementNS(SVG, 'svg');
    icon.setAttribute('class', 'icon sort-icon');
    icon.setAttribute('aria-hidden', 'true');
    icon.setAttribute('viewBox', '0 0 12 16');
    for (const [direction, path] of [['up', 'm2.5 6.5 3.5-3.5 3.5 3.5'], ['down', 'm2.5 9.5 3.5 3.5 3.5-3.5']]) {
      const arrow = document.createElementNS(SVG, 'path');
      arrow.setAttribute('class', direction);
      arrow.setAttribute('d', path);
      icon.append(arrow);
    }
    button.append(icon);
    button.addEventListener('click', () => {
      this.#sort = nextSort(this.#sort, key);
      this.#show();
    });
    header.append(button);
    this.#headers.set(key, header);
    return header;
  }

  #show() {
    this.#showSort();
    if (!this.#state) return;
    const workers = sorted(this.#state.workers, this.#sort);
    const here = new Set(workers.map((worker) => worker.id));
    for (const [id, row] of this.#rows) {
      if (here.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let next = this.#body.firstElementChild;
    for (const worker of workers) {
      const row = this.#row(worker.id);
      row.update(worker, this.#state.now);
      if (row.element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(row.element, next);
    }
  }

  #row(id) {
    if (!this.#rows.has(id)) this.#rows.set(id, new Row());
    return this.#rows.get(id);
  }

  #showSort() {
    const { key, descending } = this.#sort;
    for (const [name, header] of this.#headers) {
      setAttribute(header, 'aria-sort', name === key ? (descending ? 'descending' : 'ascending') : null);
    }
    if (this.#menu.value !== key) this.#menu.value = key;
  }
}

class Row {
  element = make('tr', 'worker');
  #cells = new Map();

  constructor() {
    this.element.setAttribute('role', 'row');
    for (const column of COLUMNS) this.element.append(this.#cell(column));
  }

  #cell({ key, label, number, note }) {
    const heads = key === 'name';
    const cell = make(heads ? 'th' : 'td', `cell-${key}${number ? ' number' : ''}`);
    if (heads) cell.scope = 'row';
    cell.setAttribute('role', heads ? 'rowheader' : 'cell');
    cell.dataset.label = label;
    const parts = { cell, text: make('span', 'cell-text') };
    if (key === 'in_flight') cell.append(parts.bar = make('span', 'load'));
    cell.append(parts.text);
    if (note) cell.append(parts.note = make('span', 'cell-note'));
    this.#cells.set(key, parts);
    return cell;
  }

  update(worker, now) {
    this.element.dataset.state = String(worker.state);
    this.element.classList.toggle('joined', now - worker.joinedAt < JUST_JOINED_MS);
    for (const column of COLUMNS) {
      const { text, note } = this.#cells.get(column.key);
      setText(text, column.text(worker));
      if (note) setText(note, column.note(worker));
    }
    this.#cells.get('state').cell.title = stateHint(worker.state);
    setShare(this.#cells.get('in_flight').bar, '--share', worker.in_flight / Math.max(worker.window, 1));
  }
}

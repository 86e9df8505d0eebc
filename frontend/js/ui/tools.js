// Owns the tools above the grid: filter, order, selection, export, delete.

import { plural } from '../format.js';
import { isFiltered } from '../view.js';

const TYPING_MS = 120;  // a pause in typing after which the filter takes effect

export class Tools {
  #parts = {};
  #typing;

  /**
   * @param callbacks {onView(fields), onSelectAll(), onSelectNone(), onDelete(), onExport(kind)}
   */
  constructor(callbacks) {
    const ids = { query: 'query', show: 'show', sort: 'sort', shown: 'shown', select: 'select-all',
                  delete: 'delete', csv: 'export-csv', json: 'export-json' };
    for (const [name, id] of Object.entries(ids)) this.#parts[name] = document.getElementById(id);
    const { query, show, sort, select, csv, json } = this.#parts;
    query.addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => callbacks.onView({ query: query.value }), TYPING_MS);
    });
    show.addEventListener('change', () => callbacks.onView({ show: show.value }));
    sort.addEventListener('change', () => callbacks.onView({ sort: sort.value }));
    select.addEventListener('click', () =>
      (this.#allSelected ? callbacks.onSelectNone() : callbacks.onSelectAll()));
    this.#parts.delete.addEventListener('click', callbacks.onDelete);
    csv.addEventListener('click', () => callbacks.onExport('csv'));
    json.addEventListener('click', () => callbacks.onExport('json'));
  }

  #allSelected = false;

  update({ selected, tally, view }, keys) {
    const { shown, select, csv, json } = this.#parts;
    const total = plural(tally.total, 'photo');
    setText(shown, keys.length === tally.total ? total : `${keys.length} of ${total}`);
    this.#allSelected = selected.size > 0 && keys.every((key) => selected.has(key));
    setText(select, this.#allSelected ? 'Select none' : 'Select all');
    setText(this.#parts.delete, deleteText(selected.size, isFiltered(view), keys.length));
    this.#parts.delete.disabled = selected.size === 0 && keys.length === 0;
    select.disabled = keys.length === 0 && selected.size === 0;
    for (const button of [csv, json]) button.disabled = keys.length === 0;
  }
}

function deleteText(selected, filtered, shown) {
  if (selected > 0) return `Delete ${selected} selected`;
  return filtered ? `Delete ${shown} shown` : 'Delete all';
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

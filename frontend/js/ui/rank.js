// One answer of the model as a bar: in a card, and in the large view.

import { clampScore, labelText, percentFine } from '../format.js';

export function rankElement({ label, score }) {
  const { short, full } = labelText(label);
  const row = document.createElement('li');
  row.className = 'rank';
  row.title = full;
  row.style.setProperty('--score', String(clampScore(score)));
  const name = document.createElement('span');
  name.className = 'rank-name';
  name.textContent = short;
  const value = document.createElement('span');
  value.className = 'rank-score';
  value.textContent = percentFine(score);
  row.append(name, value);
  return row;
}

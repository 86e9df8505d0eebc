// Owns the line at the foot of the page: what the cluster is doing.

import { clusterParts } from '../format.js';

export class StatusBar {
  #element;
  #shown = '';

  constructor(element) {
    this.#element = element;
  }

  update({ cluster, connection, model }) {
    const parts = connection === 'open' ? clusterParts(cluster, model)
      : [connection === 'lost' ? 'not connected' : 'connecting…'];
    const shown = parts.join('\n');
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#element.dataset.connection = connection;
    this.#element.replaceChildren(...parts.map((part) => {
      const span = document.createElement('span');
      span.textContent = part;
      return span;
    }));
  }
}

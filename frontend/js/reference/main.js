// The API's page: reads the server's own description and shows it.

import { addressed, blocks, mentions, sections } from './document.js';
import { contentsView, element, sectionView } from './view.js';

const byId = (id) => document.getElementById(id);

async function read() {
  const answer = await fetch('/api/v1/openapi.json');
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return addressed(await answer.json(), location);
}

function show(description) {
  const all = sections(description);
  byId('version').textContent = `Version ${description.info.version}, OpenAPI ${description.openapi}`;
  byId('introduction').replaceChildren(...blocks(description.info.description)
    .map(({ parts = [] }) => element('p', {}, parts.map(({ text }) => text).join(''))));
  const search = byId('search');
  const update = () => {
    const words = search.value.trim();
    const found = all
      .map(({ tag, operations }) => ({
        tag, operations: operations.filter((operation) => mentions(operation, words)) }))
      .filter(({ operations }) => operations.length > 0);
    const count = found.reduce((sum, { operations }) => sum + operations.length, 0);
    byId('contents').replaceChildren(contentsView(found));
    byId('operations').replaceChildren(...found.map(sectionView));
    byId('found').textContent = words ? `${count} calls` : '';
  };
  search.addEventListener('input', update);
  update();
  // The address may name a call that was not there when the browser looked for it.
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

read().then(show, (error) => {
  byId('operations').replaceChildren(element('p', { className: 'problem', role: 'alert' },
    `The description could not be read: ${error.message}. Reload the page to try again.`));
});

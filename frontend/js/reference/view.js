// The elements of the API's page. Text from the document goes through textContent only.

/** element('p', {className: 'x'}, 'text', child, …) */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== ''));
  return made;
}

function prose(blocks) {
  return blocks.map((block) => {
    if (block.kind === 'code') return code(block.text);
    return element('p', {}, ...words(block.parts));
  });
}

function words(parts) {
  return parts.map(({ code: isCode, text }) => (isCode ? element('code', {}, text) : text));
}

/** A block of code with a button that copies it. It scrolls by keyboard, so it can be focused. */
function code(text) {
  const button = element('button', { type: 'button', className: 'button small copy' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy by hand';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  const pre = element('pre', { tabIndex: 0, role: 'group', ariaLabel: 'Code' },
                      element('code', {}, text));
  return element('div', { className: 'code' }, pre, button);
}

function table(caption, headings, rows) {
  if (rows.length === 0) return null;
  const head = element('tr', {}, ...headings.map((text) =>
    element('th', { scope: 'col' }, text)));
  const body = rows.map(([first, ...rest]) => element('tr', {},
    element('th', { scope: 'row' }, element('code', {}, first)),
    ...rest.map((text) => element('td', {}, text))));
  return element('div', { className: 'scroll', tabIndex: 0, role: 'group', ariaLabel: caption },
    element('table', {}, element('caption', {}, caption), element('thead', {}, head),
            element('tbody', {}, ...body)));
}

function bodyView(title, body) {
  const types = element('p', { className: 'types' }, `${title}: `,
    ...body.types.flatMap((type, index) => [index ? ', ' : '', element('code', {}, type)]),
    body.schema ? ` (${body.schema})` : '');
  const fields = table(`Members of ${body.schema || 'the body'}`, ['Name', 'Type', 'Meaning'],
    body.fields.map(({ name, type, description }) => [name, type, description]));
  return [types, fields, body.example ? code(body.example) : null].filter(Boolean);
}

function responseView(response) {
  const summary = element('summary', {},
    element('span', { className: `status ${response.good ? 'good' : 'bad'}` }, response.status),
    element('span', { className: 'response-words' },
      ...words(response.description[0]?.parts ?? [])));
  const headers = response.headers.length === 0 ? null
    : element('p', { className: 'types' }, 'Headers: ',
              ...response.headers.flatMap((name, index) =>
                [index ? ', ' : '', element('code', {}, name)]));
  const details = element('details', {}, summary, ...prose(response.description.slice(1)));
  if (headers) details.append(headers);
  for (const body of response.bodies) details.append(...bodyView('Body', body));
  if (!headers && response.bodies.length === 0) {
    details.append(element('p', { className: 'types' }, 'No body.'));
  }
  return details;
}

export function operationView(operation) {
  const title = element('h3', {},
    element('span', { className: `method ${operation.method.toLowerCase()}` }, operation.method),
    ' ', element('code', { className: 'path' }, operation.path));
  const made = element('article', { className: 'operation', id: operation.id }, title,
    element('p', { className: 'operation-summary' }, operation.summary),
    ...prose(operation.description));
  const parameters = table('Parameters', ['Name', 'Where', 'Type', 'Meaning'],
    operation.parameters.map(({ name, place, type, description, required }) =>
      [name, place, required ? `${type}, required` : type, description]));
  if (parameters) made.append(parameters);
  for (const body of operation.bodies) made.append(...bodyView('Request body', body));
  made.append(element('h4', {}, 'Answers'), ...operation.responses.map(responseView));
  return made;
}

export function sectionView({ tag, operations }) {
  return element('section', { className: 'api-section', ariaLabel: tag },
    element('h2', {}, tag), ...operations.map(operationView));
}

export function contentsView(sections) {
  return element('ul', {}, ...sections.flatMap(({ tag, operations }) => [
    element('li', { className: 'contents-tag' }, tag),
    ...operations.map((operation) => element('li', {},
      element('a', { href: `#${operation.id}` },
        element('span', { className: 'contents-method' }, operation.method), ' ',
        operation.path))),
  ]));
}

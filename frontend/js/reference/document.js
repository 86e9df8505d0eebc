// What an OpenAPI 3.1 document says, in the order and form in which the page shows it. Pure: no DOM.

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** Follows `$ref`s inside the document. */
export function resolve(document, node) {
  let at = node;
  for (let hops = 0; at?.$ref && hops < 20; hops += 1) {
    at = at.$ref.replace(/^#\//, '').split('/')
      .reduce((found, part) => found?.[part.replace(/~1/g, '/').replace(/~0/g, '~')], document);
  }
  return at ?? {};
}

/** [{tag, operations}], in the order of the document's tags; what has no tag comes last. */
export function sections(document) {
  const names = (document.tags ?? []).map(({ name }) => name);
  const byTag = new Map(names.map((name) => [name, []]));
  for (const operation of operations(document)) {
    const tag = operation.tag ?? 'Other';
    if (!byTag.has(tag)) byTag.set(tag, []);
    byTag.get(tag).push(operation);
  }
  return [...byTag].filter(([, list]) => list.length > 0)
    .map(([tag, list]) => ({ tag, operations: list }));
}

function operations(document) {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item).filter((key) => METHODS.includes(key))
      .map((method) => operationOf(document, path, method)));
}

function operationOf(document, path, method) {
  const item = document.paths[path];
  const operation = item[method];
  return {
    id: operation.operationId,
    tag: operation.tags?.[0],
    method: method.toUpperCase(),
    path,
    summary: operation.summary ?? '',
    description: blocks(operation.description),
    parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])]
      .map((parameter) => parameterOf(resolve(document, parameter))),
    bodies: contents(document, resolve(document, operation.requestBody ?? {}).content),
    responses: Object.entries(operation.responses ?? {})
      .map(([status, response]) => responseOf(document, status, response)),
  };
}

function parameterOf({ name, in: place, required = false, description = '', schema = {} }) {
  return { name, place, required, description, type: typeOf(schema) };
}

function responseOf(document, status, node) {
  const response = resolve(document, node);
  return {
    status,
    good: Number(status) < 400,
    description: blocks(response.description),
    headers: Object.keys(response.headers ?? {}),
    bodies: contents(document, response.content),
  };
}

/** One for each form of a body; those that say the same share one: [{types, fields, example}]. */
function contents(document, content = {}) {
  const bodies = new Map();
  for (const [type, media] of Object.entries(content)) {
    const json = /json$/.test(type);
    const body = {
      types: [type],
      schema: media.schema?.$ref?.split('/').pop() ?? '',
      fields: json ? fieldsOf(document, media.schema ?? {}) : [],
      example: media.example === undefined ? '' : JSON.stringify(media.example, null, 2),
    };
    const key = json ? type : 'bytes';
    if (bodies.has(key)) bodies.get(key).types.push(type);
    else bodies.set(key, body);
  }
  return [...bodies.values()];
}

/** The members of an object's schema, one level deep: [{name, type, description}]. */
export function fieldsOf(document, node) {
  const schema = resolve(document, node);
  return Object.entries(schema.properties ?? {}).map(([name, member]) => ({
    name, type: typeOf(member),
    description: member.description ?? resolve(document, member).description ?? '',
  }));
}

/** A schema's type in a few words: "integer 1…100, 5 if not given". */
export function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const types = [schema.type ?? 'any'].flat().map((type) =>
    (type === 'array' ? `list of ${typeOf(schema.items ?? {})}` : type));
  return types.join(' or ') + range(schema) +
    (schema.default === undefined ? '' : `, ${schema.default} if not given`);
}

function range({ minimum, maximum }) {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum}…${maximum}`;
  if (maximum !== undefined) return ` up to ${maximum}`;
  return minimum > 0 ? ` from ${minimum}` : '';
}

/** The little of Markdown that the document uses: [{kind: 'text'|'code', …}].
 *  A text is [{code: bool, text}]; a code block its lines. */
export function blocks(markdown = '') {
  return markdown.split(/\n{2,}/).filter((block) => block.trim()).map((block) => {
    const lines = block.split('\n');
    if (lines.every((line) => line.startsWith('    '))) {
      return { kind: 'code', text: lines.map((line) => line.slice(4)).join('\n') };
    }
    const parts = block.replace(/\s+/g, ' ').split(/`([^`]*)`/);
    return {
      kind: 'text',
      parts: parts.map((text, index) => ({ code: index % 2 === 1, text }))
        .filter(({ text }) => text),
    };
  });
}

/** The document with this site's address in its examples, which name one of their own. */
export function addressed(document, { protocol, host }) {
  const here = protocol === 'https:' ? `https://${host}` : host;
  return JSON.parse(JSON.stringify(document).replaceAll(/\blocalhost:8080\b/g, () => here));
}

/** Does it say all of the words? For the page's search. */
export function mentions(operation, words) {
  const text = [operation.method, operation.path, operation.summary, operation.tag,
                ...operation.parameters.map(({ name }) => name)].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

// The REST side of the contract. Every failure leaves here as an ApiError with words for people.

const IMAGES = '/api/v1/images';
const SESSION = '/api/v1/session';
const BUSY = new Set([429, 502, 503, 504]);

/** kind: 'network' (no answer came), 'busy' (try again later), 'problem' (the answer is no). */
export class ApiError extends Error {
  constructor(kind, detail, { status = 0, code = kind, retryAfterMs = null } = {}) {
    super(detail);
    Object.assign(this, { kind, detail, status, code, retryAfterMs });
  }
}

/** Retry-After as milliseconds: seconds or an HTTP date; null where there is none. */
export function parseRetryAfter(text, now = Date.now()) {
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** An ApiError from an answer that is not 2xx. `body`: parsed JSON or null. */
export function problemFrom(status, body, retryAfter) {
  // An upload of one file: the reason lies with the file, under `rejected`.
  const own = body?.rejected?.[0]?.error ?? body;
  const words = status === 413 ? 'The file is larger than the server takes.'
    : `The server had a problem (HTTP ${status}).`;
  return new ApiError(BUSY.has(status) ? 'busy' : 'problem', String(own?.detail || words), {
    status, code: String(own?.code || `http_${status}`), retryAfterMs: parseRetryAfter(retryAfter),
  });
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

let ask = null;       // () → Promise: settles when the server has taken an access token
let unlocked = null;  // that promise, while somebody is being asked

/** Who asks for the access token, where the server wants one. Without one, such calls fail. */
export function onTokenRequired(handler) {
  ask = handler;
}

// A call that the server refuses for want of a token waits until one was given, and is made again.
async function guarded(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.code !== 'token_required' || !ask) throw error;
      unlocked ??= ask().finally(() => { unlocked = null; });
      await unlocked;
    }
  }
}

const readJson = async (answer) => parseJson(await answer.text());

async function requestOnce(path, { method = 'GET', read = readJson, json } = {}) {
  const options = { method, cache: 'no-store' };
  if (json !== undefined) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(json);
  }
  let answer;
  let body;
  try {
    answer = await fetch(path, options);
    body = await (answer.ok ? read : readJson)(answer);
  } catch {
    throw new ApiError('network', 'The server cannot be reached.');
  }
  if (!answer.ok) throw problemFrom(answer.status, body, answer.headers.get('Retry-After'));
  return body;
}

function request(path, options) {
  return guarded(() => requestOnce(path, options));
}

const BUSY_TRIES = 6;
const BUSY_PAUSE_MS = 2_000;  // where a busy server does not say how long

/** Makes a call again as long as the server says that it is busy, when it says so. */
export async function patiently(call) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (error.kind !== 'busy' || tries === BUSY_TRIES) throw error;
      await new Promise((go) => { setTimeout(go, error.retryAfterMs ?? BUSY_PAUSE_MS); });
    }
  }
}

/** Gives the server its access token; its answer is a cookie. */
export function openSession(token) {
  return requestOnce(SESSION, { method: 'POST', json: { token } });
}

/** One page of this session's images, newest first: {images, cursor}. */
export async function listImages(limit, cursor = null) {
  const query = new URLSearchParams({ limit });
  if (cursor) query.set('cursor', cursor);
  const page = await request(`${IMAGES}?${query}`);
  const images = Array.isArray(page?.images) ? page.images : [];
  return { images: images.filter((image) => image?.id), cursor: page?.next_cursor || null };
}

export function deleteImage(id) {
  return request(`${IMAGES}/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

/** A photo that the server holds, as a file to send again. */
export async function fetchContent(url, name) {
  const blob = await request(url, { read: (answer) => answer.blob() });
  return new File([blob], name, { type: blob.type });
}

/**
 * Sends one file. XMLHttpRequest, because fetch does not report how much has been sent.
 * `idempotencyKey`: the same for every try of one file, so that an answer lost on the way does not
 * make two photos of one. Resolves to the server's IMAGE, rejects with an ApiError.
 */
export function uploadFile(file, options) {
  return guarded(() => uploadOnce(file, options));
}

function uploadOnce(file, { idempotencyKey, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const body = new FormData();
    body.append('file', file, file.name);
    xhr.open('POST', IMAGES);
    xhr.setRequestHeader('Idempotency-Key', idempotencyKey);
    xhr.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    xhr.onload = () => {
      const answer = parseJson(xhr.responseText);
      const image = answer?.images?.[0];
      if (xhr.status < 300 && image?.id) resolve(image);
      else reject(problemFrom(xhr.status, answer, xhr.getResponseHeader('Retry-After')));
    };
    xhr.onerror = xhr.onabort =
      () => reject(new ApiError('network', 'The connection was lost while sending.'));
    signal.addEventListener('abort', () => xhr.abort());
    xhr.send(body);
  });
}

// Wires the parts together: state, network, elements. Decides nothing that the parts can decide.

import * as api from './api.js';
import { backoff, LiveSocket } from './socket.js';
import { counts, initialState, openIds, reduce } from './state.js';
import { Announcer } from './ui/announcer.js';
import { Banner } from './ui/banner.js';
import { DropZone } from './ui/drop_zone.js';
import { Grid } from './ui/grid.js';
import { StatusBar } from './ui/status_bar.js';
import { Summary } from './ui/summary.js';
import { Uploader } from './uploader.js';

const byId = (id) => document.getElementById(id);
const PAGE = 48;        // photos of history at a time
const SYNC_PAGE = 200;  // images per request when re-reading

let state = initialState;
let framePending = false;
let nextKey = 1;
const files = new Map();     // item key → File, until it is recognized
const replaced = new Map();  // item key → id of the failed image that a retry replaces

const announcer = new Announcer(byId('announcer'));
const summary = new Summary(byId('summary'), byId('summary-bar'));
const statusBar = new StatusBar(byId('cluster'));
const banner = new Banner(byId('banners'), { onRetry: () => socket.connect() });
const grid = new Grid(byId('grid'), byId('card-template'), files,
                      { onDelete: deletePhoto, onRetry: retryPhoto });
new DropZone({ input: byId('files'), veil: byId('veil'), onFiles: addFiles });

const uploader = new Uploader({ send: api.uploadFile, onEvent: onUpload });
const socket = new LiveSocket({
  lastSeq: () => state.lastSeq,
  onMessage: (message) => dispatch({ type: 'message', message }),
  onStatus: onConnection,
});

function dispatch(action) {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  announcer.update(state);
  schedule();
}

function schedule() {
  if (framePending) return;
  framePending = true;
  requestAnimationFrame(render);
}

function render() {
  framePending = false;
  document.body.classList.toggle('empty', state.items.size === 0);
  const more = grid.update(state);
  for (const part of [summary, statusBar, banner]) part.update(state);
  byId('more').hidden = !state.cursor;
  forgetFinished();
  if (more) schedule();
}

function forgetFinished() {
  for (const key of files.keys()) {
    const phase = state.items.get(key)?.phase;
    if (!phase || phase === 'done') files.delete(key);
  }
}

// ---- photos ------------------------------------------------------------------------------------

function addFiles(chosen) {
  const batch = chosen.map((file) => ({ key: `local-${nextKey++}`, name: file.name, file }));
  for (const { key, file } of batch) files.set(key, file);
  dispatch({ type: 'files-added', files: batch.map(({ key, name }) => ({ key, name })) });
  uploader.add(batch);
}

function onUpload(action) {
  dispatch(action);
  if (action.type === 'upload-rejected') {
    announcer.say(`${state.items.get(action.key)?.name}: ${action.error.detail}`);
  }
  if (action.type === 'upload-accepted' && replaced.has(action.key)) {
    api.deleteImage(replaced.get(action.key)).catch(() => {});  // it shows up again at worst
    replaced.delete(action.key);
  }
}

async function retryPhoto(key) {
  const item = state.items.get(key);
  if (!item) return;
  dispatch({ type: 'retry', key });
  if (item.id) replaced.set(key, item.id);
  try {
    // After a reload the page has no file any more, but the server has.
    const file = files.get(key) ?? await api.fetchContent(item.contentUrl, item.name);
    files.set(key, file);
    uploader.add([{ key, file }]);
  } catch (error) {
    onUpload({ type: 'upload-rejected', key,
               error: { kind: 'network', code: error.code, detail: error.detail } });
  }
}

async function deletePhoto(key) {
  const item = state.items.get(key);
  if (!item || item.deleting) return;
  uploader.cancel(key);
  if (item.id && item.error?.kind !== 'gone') {
    dispatch({ type: 'deleting', key, on: true });
    try {
      await api.deleteImage(item.id);
    } catch (error) {
      if (error.status !== 404) {
        dispatch({ type: 'deleting', key, on: false });
        announcer.say(`${item.name} was not deleted. ${error.detail}`);
        return;
      }
    }
  }
  dispatch({ type: 'removed', key });
  announcer.say(`${item.name} deleted.`);
}

async function showMore() {
  const button = byId('more');
  button.disabled = true;
  try {
    const page = await api.listImages(PAGE, state.cursor);
    dispatch({ type: 'page-loaded', ...page });
  } catch (error) {
    announcer.say(`More photos could not be loaded. ${error.detail}`);
  } finally {
    button.disabled = false;
  }
}

// ---- connection --------------------------------------------------------------------------------

// The first answer sets the session's cookie, so nothing else is asked before it is here: two
// requests without a cookie would get two sessions.
async function begin() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const page = await api.listImages(PAGE);
      dispatch({ type: 'page-loaded', ...page });
      break;
    } catch {
      dispatch({ type: 'connection', status: 'lost' });
      await new Promise((resolve) => { setTimeout(resolve, backoff(attempt)); });
    }
  }
  uploader.setOnline(true);
  socket.connect();
}

function onConnection(status) {
  dispatch({ type: 'connection', status });
  uploader.setOnline(status === 'open');
  // Also while it is lost: where only the socket fails, plain requests still bring the results.
  sync();
}

let syncing = false;
async function sync() {
  if (syncing) return;
  syncing = true;
  try {
    await readOpenImages();
    uploader.setOnline(true);
  } catch { /* still no connection; the socket goes on trying */ } finally {
    syncing = false;
  }
}

// Re-reads, newest first, until every image whose result is awaited has been seen.
async function readOpenImages() {
  const awaited = new Set(openIds(state));
  let cursor = null;
  do {
    const page = await api.listImages(SYNC_PAGE, cursor);
    dispatch({ type: 'snapshot', images: page.images });
    for (const image of page.images) awaited.delete(image.id);
    cursor = page.cursor;
  } while (cursor && awaited.size > 0);
  if (awaited.size > 0) dispatch({ type: 'gone', ids: [...awaited] });
}

byId('more').addEventListener('click', showMore);
window.addEventListener('online', () => socket.connect());
window.addEventListener('beforeunload', (event) => {
  if (counts(state).unsent > 0) event.preventDefault();  // the browser asks before leaving
});

render();
begin();

// Wires the parts together: state, network, elements. Decides nothing that the parts can decide.

import * as api from './api.js';
import { initialState, reduceAll } from './state.js';
import { Photos } from './photos.js';
import { Store } from './store.js';
import { Sync } from './sync.js';
import { Thumbnails } from './thumbnails.js';
import { Announcer } from './ui/announcer.js';
import { Banner } from './ui/banner.js';
import { DropZone } from './ui/drop_zone.js';
import { Grid } from './ui/grid.js';
import { ModelNote } from './ui/model_note.js';
import { offerCamera } from './ui/camera_offer.js';
import { StatusBar } from './ui/status_bar.js';
import { Summary } from './ui/summary.js';
import { Tools } from './ui/tools.js';
import { Transfer } from './ui/transfer.js';
import { plural } from './format.js';
import { followUnsent } from './unsent.js';
import { isFiltered, rememberingView } from './view.js';

const byId = (id) => document.getElementById(id);

const store = new Store({ initial: initialState, reduceAll, onChange: draw });
const announcer = new Announcer(byId('announcer'));
const say = (text) => announcer.say(text);
const photos = new Photos({ store, api, say });
const sync = new Sync({ store, api, onOnline: (online) => photos.setOnline(online) });

const shownKeys = rememberingView();
const shown = () => shownKeys(store.state);
const tools = new Tools({
  onView: (fields) => {
    store.dispatch({ type: 'view', fields });
    say(`${plural(shown().length, 'photo')} shown.`);
  },
  onSelectAll: selectShown,
  // Also what a filter hides now.
  onSelectNone: () => store.dispatch({ type: 'select', keys: [...store.state.selected], on: false }),
  onDelete: () => deleteMany(),
  onExport: exportShown,
});
const grid = new Grid(byId('grid'), byId('card-template'), {
  files: photos.files,
  thumbnails: new Thumbnails(),
  insetTop: () => byId('top').getBoundingClientRect().bottom,
  onLeave: () => byId('files').focus(),
  callbacks: {
    onOpen: openLarge,
    onDelete: (key) => photos.remove(key),
    onRetry: (key) => photos.retry(key),
    onSelect: (key, on) => store.dispatch({ type: 'select', keys: [key], on }),
    onSelectAll: selectShown,
    onDeleteKey: (key) => (store.state.selected.size > 0 ? deleteMany() : photos.remove(key)),
  },
});
const transfer = new Transfer(byId('transfer'), {
  onPause: (on) => photos.setPaused(on),
  onCancel: () => photos.cancelUnsent(),
  onRetryAll: () => photos.retryAll(),
});
const parts = [
  new Summary(byId('summary'), byId('summary-bar')), new StatusBar(byId('cluster')),
  new ModelNote({ knows: byId('knows'), bigger: byId('bigger-model') }),
  new Banner(byId('banners'), {
    onRetry: () => sync.connect(), onUnlock: () => tokens.open(),
    onSeen: () => store.dispatch({ type: 'unsent-lost', count: 0 }),
  }),
  transfer, announcer,
];
const addFiles = (files) => photos.add(files);
new DropZone({ inputs: [byId('files'), byId('capture')], folder: byId('folder'),
               veil: byId('veil'), onFiles: addFiles, say });
offerCamera({ button: byId('camera-open'), capture: byId('capture'), dialog: byId('camera'),
              onPhoto: (file) => addFiles([file]) });

function selectShown() {
  store.dispatch({ type: 'select', keys: shown(), on: true });
}

function draw(state) {
  document.body.classList.toggle('empty', state.tally.total === 0);
  const keys = shownKeys(state);
  byId('nothing').hidden = keys.length > 0 || state.tally.total === 0;
  for (const part of parts) part.update(state);
  tools.update(state, keys);
  grid.update(state, keys);
  largeView?.update(state, keys);
  byId('more').hidden = !state.cursor || sync.isReading;
}

// ---- parts that are loaded when they are first needed --------------------------------------------

let largeView = null;
async function openLarge(key) {
  const { LargeView } = await import('./ui/large_view.js');
  largeView ??= new LargeView(byId('large'), {
    files: photos.files,
    onClose: (last) => grid.focus(last),
    onRetry: (one) => photos.retry(one),
    onDelete: (one) => photos.remove(one),
  });
  largeView.open(key, store.state, shown());
}

let tokens = null;
api.onTokenRequired(async () => {
  const { TokenDialog } = await import('./ui/token_dialog.js');
  tokens ??= new TokenDialog(api.openSession);
  store.dispatch({ type: 'locked', on: true });
  await tokens.ask();
  store.dispatch({ type: 'locked', on: false });
  sync.connect();
});

async function deleteMany() {
  const { confirm } = await import('./ui/confirm.js');
  const selected = [...store.state.selected];
  const some = selected.length > 0;
  if (!some && !await readAll()) return;
  const keys = some ? selected : shown();
  const all = !some && !isFiltered(store.state.view);
  const agreed = await confirm({
    title: `Delete ${all && keys.length > 1 ? 'all ' : ''}${plural(keys.length, 'photo')}?`,
    text: `${keys.length === 1 ? 'It is' : 'They are'} deleted from the server, with all results. ` +
      'This cannot be undone.',
    action: 'Delete',
  });
  if (agreed) await photos.removeAll(keys);
}

async function exportShown(kind) {
  const { download } = await import('./export.js');
  if (!await readAll()) return;
  const keys = shown();
  download(kind, keys.map((key) => store.state.items.get(key)));
  say(`${plural(keys.length, 'photo')} exported.`);
}

// What is done to all photos is done to those too that this page has not read yet.
async function readAll() {
  try {
    await sync.readHistory({ all: true });
    return true;
  } catch (error) {
    say(`The older photos could not be read. ${error.detail}`);
    return false;
  }
}

byId('more').addEventListener('click', () => sync.readMore()
  .catch((error) => say(`More photos could not be loaded. ${error.detail}`)));
window.addEventListener('online', () => sync.connect());
window.addEventListener('beforeunload', (event) => {
  if (store.state.tally.unsent > 0) event.preventDefault();  // the browser asks before leaving
});
followUnsent({ page: window, storage: () => sessionStorage, unsent: () => store.state.tally.unsent,
               onLost: (count) => store.dispatch({ type: 'unsent-lost', count }) });

draw(store.state);
sync.begin();

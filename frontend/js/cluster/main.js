// Wires the Cluster page: socket, state, elements. Decides nothing that the parts can decide.

import { onTokenRequired, openSession } from '../api.js';
import { Beginning, LiveSocket } from '../socket.js';
import { ensureSession, fetchHistory } from './api.js';
import { initialState, isStale, MAX_SAMPLES, reduce } from './state.js';
import { Announcer } from './ui/announcer.js';
import { Charts } from './ui/charts.js';
import { ModelNote } from '../ui/model_note.js';
import { ConnectionBanner, EmptyNote, Headline, LiveMark, WireLine } from './ui/notices.js';
import { Phases } from './ui/phases.js';
import { Tiles } from './ui/tiles.js';
import { WorkersTable } from './ui/workers_table.js';

const byId = (id) => document.getElementById(id);

let state = initialState;
let scheduled = false;

const socket = new LiveSocket({
  lastSeq: () => 0,  // results are the other page's business
  onMessage: (message) => {
    if (message.type === 'cluster') dispatch({ type: 'message', cluster: message.cluster, at: Date.now() });
  },
  onStatus: (status) => {
    dispatch({ type: 'connection', status, at: Date.now() });
    if (status === 'open') readHistory();
    else ensureSession().catch(() => {});  // is it the access token that is missing?
  },
  page: window,
});

const charts = new Charts(byId('charts'), {
  template: byId('chart-template'), note: byId('charts-note'), ranges: byId('ranges'), before: byId('phases'),
});
const parts = [
  new LiveMark(byId('cluster')),
  new ConnectionBanner(byId('banners'), {
    onRetry: () => connect(), onUnlock: () => tokens.open(),
  }),
  new Headline(byId('headline')), new ModelNote({ bigger: byId('bigger-model') }),
  new Tiles(byId('tiles')),
  new EmptyNote({ section: byId('empty'), command: byId('command'), note: byId('command-note') }),
  new WireLine(byId('wire')),
  new WorkersTable(byId('workers-table'), byId('sort')),
  charts,
  new Phases(byId('phases')),
  new Announcer(byId('announcer')),
];

function dispatch(action) {
  state = reduce(state, action);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(render);
}

function render() {
  scheduled = false;
  document.body.classList.toggle('stale', isStale(state));
  byId('workers').hidden = state.cluster !== null && state.workers.length === 0;
  for (const part of parts) part.update(state);
}

// What was before this page was opened, and while the connection was lost.
async function readHistory() {
  try {
    dispatch({ type: 'history', history: await fetchHistory(MAX_SAMPLES) });
  } catch { /* the charts begin with what comes from now on */ }
}

let tokens = null;
onTokenRequired(async () => {
  const { TokenDialog } = await import('../ui/token_dialog.js');
  tokens ??= new TokenDialog(openSession);
  dispatch({ type: 'connection', status: 'locked', at: Date.now() });
  await tokens.ask();
  connect();
});

const beginning = new Beginning();
async function begin() {
  await beginning.run(ensureSession,
                      () => dispatch({ type: 'connection', status: 'lost', at: Date.now() }));
  socket.connect();
}

function connect() {
  if (beginning.isOver()) socket.connect();
}

setInterval(() => dispatch({ type: 'tick', at: Date.now() }), 1000);
window.addEventListener('online', connect);
document.addEventListener('visibilitychange', render);

begin();
charts.load();

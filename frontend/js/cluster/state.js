// What the Cluster page knows: a pure reducer. Time is part of the actions, in milliseconds.
//
// state.workers: those of the newest message, and for a moment those that left since ("ghosts"),
// oldest connection first. state.samples: a sample a second, oldest first, ten minutes at most.

export const MAX_SAMPLES = 600;
export const GHOST_MS = 8_000;
const QUIET_MS = 4_000;  // a message comes each second

export const initialState = {
  connection: 'connecting',  // 'open', 'lost', 'locked': it wants its access token
  cluster: null,             // the newest message
  heardAt: null,             // when it came
  now: 0,
  resuming: false,           // the connection was lost, and nothing has come since
  samples: [],
  workers: [],
  news: { joined: [], left: [] },  // names, by the newest message
};

export function reduce(state, action) {
  switch (action.type) {
    case 'message':
      return onMessage(state, action.cluster, action.at);
    case 'history':
      return { ...state, samples: merge(readHistory(action.history), state.samples) };
    case 'connection':
      return onConnection(state, action);
    case 'tick':
      return onTick(state, action.at);
    default:
      return state;
  }
}

// Each try that a locked server turns away is a connection that is lost: it stays locked meanwhile.
function onConnection(state, { status, at }) {
  const connection = status === 'lost' && state.connection === 'locked' ? 'locked' : status;
  return { ...state, connection, now: at, resuming: state.resuming || status !== 'open' };
}

/** The figures are not of this moment. */
export function isStale(state) {
  if (state.cluster === null) return false;
  return state.connection !== 'open' || state.resuming || state.now - state.heardAt > QUIET_MS;
}

/** How many workers there are of each state, those that left not counted: {ready: 3}. */
export function byState(workers) {
  const counts = {};
  for (const worker of workers) {
    if (worker.leftAt === undefined) counts[worker.state] = (counts[worker.state] ?? 0) + 1;
  }
  return counts;
}

// ---- messages ----------------------------------------------------------------------------------

function onMessage(state, message, at) {
  const here = readWorkers(message);
  const ids = new Set(here.map((worker) => worker.id));
  const before = state.workers.filter((worker) => worker.leftAt === undefined);
  const known = new Set(before.map((worker) => worker.id));
  const first = state.cluster === null;
  const gone = before.filter((worker) => !ids.has(worker.id));
  const fresh = first ? [] : here.filter((worker) => !known.has(worker.id));
  const since = new Map(state.workers.map((worker) => [worker.id, worker.joinedAt]));
  for (const worker of fresh) since.set(worker.id, at);

  const ghosts = [...state.workers.filter((worker) => worker.leftAt !== undefined && !ids.has(worker.id)),
                  ...gone.map((worker) => ({ ...worker, state: 'left', in_flight: null, leftAt: at }))];
  return {
    ...state,
    cluster: message,
    heardAt: at,
    now: at,
    resuming: false,
    samples: append(state.samples, message.sample),
    workers: inOrder([...here.map((worker) => ({ ...worker, joinedAt: since.get(worker.id) })),
                      ...fading(withoutReturned(ghosts, fresh), at)]),
    news: newsOf(fresh, gone),
  };
}

function readWorkers(message) {
  const workers = Array.isArray(message?.workers) ? message.workers : [];
  return workers.filter((worker) => worker && Number.isFinite(worker.id));
}

// Who comes back under its name is no longer shown as gone: one ghost for each that came.
function withoutReturned(ghosts, fresh) {
  const back = fresh.map((worker) => worker.name);
  return ghosts.filter((ghost) => {
    const index = back.indexOf(ghost.name);
    if (index >= 0) back.splice(index, 1);
    return index < 0;
  });
}

// A worker that only connected again is no news.
function newsOf(fresh, gone) {
  const joined = fresh.map((worker) => String(worker.name));
  const left = gone.map((worker) => String(worker.name)).filter((name) => {
    const index = joined.indexOf(name);
    if (index >= 0) joined.splice(index, 1);
    return index < 0;
  });
  return { joined, left };
}

function onTick(state, at) {
  const workers = fading(state.workers, at);
  return { ...state, now: at, workers: workers.length === state.workers.length ? state.workers : workers };
}

function fading(workers, at) {
  return workers.filter((worker) => worker.leftAt === undefined || at - worker.leftAt < GHOST_MS);
}

function inOrder(workers) {
  return workers.sort((a, b) => a.id - b.id);
}

// ---- samples -----------------------------------------------------------------------------------

function append(samples, sample) {
  if (!Number.isFinite(sample?.second)) return samples;
  const newest = samples.at(-1)?.second ?? -1;
  if (sample.second === newest) return samples;
  if (sample.second < newest) return [sample];  // the manager began anew
  return [...samples.slice(-MAX_SAMPLES + 1), sample];
}

/** Columns as the server sends them, as a list of samples. */
function readHistory(history) {
  const seconds = Array.isArray(history?.second) ? history.second : [];
  const columns = Object.entries(history ?? {}).filter(([, column]) => Array.isArray(column));
  return seconds.slice(-MAX_SAMPLES).map((_, index, kept) => {
    const row = seconds.length - kept.length + index;
    return Object.fromEntries(columns.map(([name, column]) => [name, column[row]]));
  });
}

// The history is the server's word; what came on the socket while it was under way follows it.
function merge(history, live) {
  const newest = history.at(-1)?.second ?? -1;
  const later = live.filter((sample) => sample.second > newest && sample.second <= newest + 10);
  return [...history, ...(history.length === 0 ? live : later)].slice(-MAX_SAMPLES);
}

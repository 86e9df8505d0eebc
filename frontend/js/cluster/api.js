// What the Cluster page asks over HTTP.

/**
 * The first request of a page, alone: its answer sets the session's cookie, which the WebSocket
 * needs. Somebody who comes straight to this page has none.
 */
export async function ensureSession() {
  const answer = await fetch('/api/v1/images?limit=1', { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
}

/** The last seconds, a column for each figure. */
export async function fetchHistory(seconds) {
  const answer = await fetch(`/api/v1/cluster?history=${seconds}`, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()).history;
}

// What the Cluster page asks over HTTP.

/** status: of the answer. */
export class AnswerError extends Error {
  constructor(status) {
    super(`the server answered ${status}`);
    this.status = status;
  }
}

async function get(address) {
  const answer = await fetch(address, { credentials: 'same-origin' });
  if (!answer.ok) throw new AnswerError(answer.status);
  return answer.json();
}

/**
 * The first request of a page, alone: its answer sets the session's cookie where there is none any
 * more, and the WebSocket needs one. Status 401: the server asks for its access token.
 */
export async function ensureSession() {
  await get('/api/v1/images?limit=1');
}

/** The last seconds, a column for each figure. */
export async function fetchHistory(seconds) {
  return (await get(`/api/v1/cluster?history=${seconds}`)).history;
}

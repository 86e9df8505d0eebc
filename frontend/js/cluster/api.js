// What the Cluster page asks over HTTP, besides the calls of ../api.js.

import { listImages } from '../api.js';

/**
 * The first request of a page, alone: its answer sets the session's cookie where there is none any
 * more, and the WebSocket needs one. Waits for the access token where the server asks for it.
 */
export async function ensureSession() {
  await listImages(1);
}

/** The last seconds, a column for each figure. */
export async function fetchHistory(seconds) {
  const answer = await fetch(`/api/v1/cluster?history=${seconds}`);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()).history;
}

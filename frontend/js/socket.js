// The WebSocket: stays connected, resumes after the last result that was seen, and says when it is
// lost. It keeps no state of the photos; whoever owns it re-reads that over REST after a reconnect.

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
// Cluster figures come once a second. A connection that is silent for much longer is dead, even
// where TCP has not noticed.
const SILENCE_MS = 12_000;

/** Wait before try number `attempt` (from 0): doubled each time, capped, half of it at random. */
export function backoff(attempt) {
  const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return ceiling * (0.5 + Math.random() / 2);
}

/**
 * What a page does first: a request, alone, whose answer sets the session's cookie where there is
 * none. A second request, or the socket, beside it would get another session or none.
 */
export class Beginning {
  #done = false;
  #retry = () => {};

  /** Makes the call until it succeeds; onFailure() after each one that does not. */
  async run(call, onFailure) {
    for (let attempt = 0; !this.#done; attempt += 1) {
      try {
        await call();
        this.#done = true;
      } catch {
        onFailure();
        await this.#pause(backoff(attempt));
      }
    }
  }

  /** Whether it is over. Where it is not: the next try is made now instead of later. */
  isOver() {
    if (!this.#done) this.#retry();
    return this.#done;
  }

  #pause(ms) {
    return new Promise((go) => {
      const timer = setTimeout(go, ms);
      this.#retry = () => {
        clearTimeout(timer);
        go();
      };
    });
  }
}

export class LiveSocket {
  #ws = null;
  #attempt = 0;
  #retryTimer;
  #silenceTimer;
  #wanted = false;  // connect() has been called
  #away = false;    // the page was left, and may be shown again

  /**
   * @param lastSeq    () => number of the newest result seen, 0 for none
   * @param onMessage  (message) => void, one parsed message of the contract
   * @param onStatus   ('open'|'lost') => void; 'open' once hello has come
   * @param page       the window, if there is one. A page that is left may stay frozen in the browser's memory, to be
   *                   shown again by "back": its connection is closed meanwhile, which is no loss to
   *                   tell of, and made anew when it is shown.
   */
  constructor({ lastSeq, onMessage, onStatus, page }) {
    Object.assign(this, { lastSeq, onMessage, onStatus });
    page?.addEventListener('pagehide', () => this.#leave());
    page?.addEventListener('pageshow', ({ persisted }) => { if (persisted) this.#comeBack(); });
  }

  /** Connects now instead of waiting; does nothing while connected or connecting. */
  connect() {
    this.#wanted = true;
    if (this.#ws || this.#away) return;
    clearTimeout(this.#retryTimer);
    const ws = new WebSocket(this.#url());
    this.#ws = ws;
    this.#watch();
    ws.onopen = () => ws.send('{"type":"cluster","on":true}');
    ws.onmessage = ({ data }) => this.#receive(data);
    ws.onclose = () => this.#lost();
  }

  #url() {
    const url = new URL('/ws', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (this.lastSeq() > 0) url.searchParams.set('after', this.lastSeq());
    return url.href;
  }

  #receive(data) {
    this.#watch();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;  // a newer server may say more than we know
    }
    if (!message?.type) return;
    this.onMessage(message);
    if (message.type === 'hello') {
      this.#attempt = 0;
      this.onStatus('open');
    }
  }

  #watch() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#lost(), SILENCE_MS);
  }

  #lost() {
    this.#close();
    this.#retryTimer = setTimeout(() => this.connect(), backoff(this.#attempt++));
    this.onStatus('lost');
  }

  #leave() {
    this.#away = true;
    clearTimeout(this.#retryTimer);
    if (this.#ws) this.#close();
  }

  #comeBack() {
    this.#away = false;
    this.#attempt = 0;
    if (this.#wanted) this.connect();
  }

  #close() {
    const ws = this.#ws;
    clearTimeout(this.#silenceTimer);
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.close();
    this.#ws = null;
  }
}

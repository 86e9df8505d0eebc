// Small pictures of photos, made when a card comes into sight: a few at a time, the newest wish
// first, and only so many are kept. Whoever shows one gets an address that stays good while the
// card is there.

const WIDTH = 480;   // device pixels: a card's width on a fine screen, and enough on others
const PARALLEL = 2;
const KEPT = 240;    // of some 20 KB each, beyond those that are on a card

export class Thumbnails {
  #worker = null;
  #nextJob = 1;
  #wishes = [];           // entries that wait, the newest last
  #jobs = new Map();      // job → entry, at the worker
  #entries = new Map();   // key → {key, source, url, users, show}, the longest unused first

  /**
   * Wishes for the picture of a photo. `source`: File, or an address on this server.
   * `show(url | null)` is called once, when it is there (null: there can be none).
   */
  acquire(key, source, show) {
    let entry = this.#entries.get(key);
    if (!entry) entry = { key, source, url: null, failed: false, users: 0, show: null };
    this.#entries.delete(key);
    this.#entries.set(key, entry);  // the last one used
    entry.users += 1;
    if (entry.url || entry.failed) {
      show(entry.url);
      return;
    }
    entry.show = show;
    if (this.#isAsked(entry)) return;
    this.#wishes.push(entry);
    this.#pump();
  }

  /** The card is gone from sight; its picture is kept for a while. */
  release(key) {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.show = null;
    this.#wishes = this.#wishes.filter((wish) => wish !== entry);
    // What the server did not give today it may give tomorrow; a file stays what it is.
    const final = entry.url || (entry.failed && typeof entry.source !== 'string');
    if (!final && !this.#isAsked(entry)) this.#entries.delete(key);
    this.#evict();
  }

  #isAsked(entry) {
    return this.#wishes.includes(entry) || [...this.#jobs.values()].includes(entry);
  }

  #evict() {
    let spare = this.#entries.size - KEPT;
    for (const [key, entry] of this.#entries) {
      if (spare <= 0) return;
      if (entry.users > 0) continue;
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.#entries.delete(key);
      spare -= 1;
    }
  }

  #pump() {
    while (this.#jobs.size < PARALLEL && this.#wishes.length > 0) this.#start(this.#wishes.pop());
  }

  #start(entry) {
    const job = this.#nextJob++;
    this.#jobs.set(job, entry);
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage({ job, source: entry.source, width: WIDTH });
  }

  #startWorker() {
    const worker = new Worker(new URL('./thumbnail_worker.js', import.meta.url));
    worker.onmessage = ({ data: { job, blob } }) => this.#finish(job, blob);
    // Where it cannot run at all, cards go without pictures.
    worker.onerror = () => { for (const job of [...this.#jobs.keys()]) this.#finish(job, null); };
    return worker;
  }

  #finish(job, blob) {
    const entry = this.#jobs.get(job);
    this.#jobs.delete(job);
    if (entry && this.#entries.get(entry.key) === entry) {
      entry.url = blob ? URL.createObjectURL(blob) : null;
      entry.failed = !blob;
      entry.show?.(entry.url);
      entry.show = null;
    }
    this.#pump();
  }
}

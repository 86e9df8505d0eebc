// Holds the state. Actions that come between two frames are reduced together, in one batch, just
// before the next one: three hundred messages cost one copy of the collections and one redraw.

export class Store {
  #state;
  #drawn;
  #pending = [];
  #scheduled = false;

  /**
   * @param reduceAll  (state, actions) → state
   * @param onChange   (state) => void, once per frame in which the state has become another one
   * @param frame      (run) => void: runs it when the next frame is drawn
   */
  constructor({ initial, reduceAll, onChange, frame = nextFrame }) {
    this.#state = initial;
    Object.assign(this, { reduceAll, onChange, frame });
  }

  /** With everything that has been dispatched. */
  get state() {
    if (this.#pending.length > 0) this.#state = this.reduceAll(this.#state, this.#pending.splice(0));
    return this.#state;
  }

  dispatch(action) {
    this.#pending.push(action);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.frame(() => this.#draw());
  }

  #draw() {
    this.#scheduled = false;
    const { state } = this;
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.onChange(state);
  }
}

const HIDDEN_MS = 300;

// A page that nobody sees gets no frames, but it must not pile up its messages either.
function nextFrame(run) {
  const frame = requestAnimationFrame(() => {
    clearTimeout(timer);
    run();
  });
  const timer = setTimeout(() => {
    cancelAnimationFrame(frame);
    run();
  }, HIDDEN_MS);
}

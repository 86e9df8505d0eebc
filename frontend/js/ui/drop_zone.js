// Owns the ways in: the file input, dropping on any part of the page, and pasting.

export class DropZone {
  #veil;
  #depth = 0;  // dragenter less dragleave: they come for every element under the pointer

  /** onFiles(files): photos chosen, in order. */
  constructor({ input, veil, onFiles }) {
    this.#veil = veil;
    this.onFiles = onFiles;
    input.addEventListener('change', () => {
      this.#take([...input.files]);
      input.value = '';  // so that the same file can be chosen again
    });
    document.addEventListener('dragenter', (event) => this.#over(event, 1));
    document.addEventListener('dragover', (event) => this.#over(event, 0));
    document.addEventListener('dragleave', (event) => this.#over(event, -1));
    document.addEventListener('drop', (event) => this.#drop(event));
    document.addEventListener('paste', (event) => this.#take([...event.clipboardData.files]));
  }

  #take(files) {
    if (files.length > 0) this.onFiles(files);
  }

  #over(event, step) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#depth = Math.max(0, this.#depth + step);
    this.#veil.hidden = this.#depth === 0;
  }

  async #drop(event) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#depth = 0;
    this.#veil.hidden = true;
    // Both are read before anything is awaited: the transfer is emptied when the event is over.
    const files = [...event.dataTransfer.files];
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    if (!entries.some((entry) => entry?.isDirectory)) return this.#take(files);
    const { filesIn } = await import('./folders.js');
    this.#take(await filesIn(entries));
  }
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes('Files') ?? false;
}

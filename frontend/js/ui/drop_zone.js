// Owns the ways in: choosing photos or a folder, dropping on any part of the page, pasting.

import { plural } from '../format.js';

export class DropZone {
  #veil;
  #depth = 0;  // dragenter less dragleave: they come for every element under the pointer

  /**
   * @param inputs    file inputs whose files are all taken, whatever they are
   * @param folder    the input that chooses a folder
   * @param onFiles   (files) => void: photos chosen, in order
   * @param say       (text) => void: what was left out
   */
  constructor({ inputs, folder, veil, onFiles, say }) {
    this.#veil = veil;
    Object.assign(this, { onFiles, say });
    for (const input of inputs) onChosen(input, (files) => this.#take(files));
    onChosen(folder, (files) => this.#takeFolder(files));
    document.addEventListener('dragenter', (event) => this.#over(event, 1));
    document.addEventListener('dragover', (event) => this.#over(event, 0));
    document.addEventListener('dragleave', (event) => this.#over(event, -1));
    document.addEventListener('drop', (event) => this.#drop(event));
    document.addEventListener('paste', (event) => this.#paste(event));
  }

  #take(files) {
    if (files.length > 0) this.onFiles(files);
  }

  // Nobody chose the notes and hidden files of a folder: its pictures are taken, the rest is told.
  async #takeFolder(files) {
    const { picturesOf } = await import('./folders.js');
    const pictures = picturesOf(files);
    const others = files.length - pictures.length;
    if (others > 0) this.say(`${plural(others, 'file')} in the folder left out: no pictures.`);
    this.#take(pictures);
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
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.())
      .filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) {
      this.#take(files);
      return;
    }
    const { filesIn } = await import('./folders.js');
    await this.#takeFolder(await filesIn(entries));
  }

  async #paste({ clipboardData }) {
    const files = [...(clipboardData?.files ?? [])];
    if (files.length === 0) return;
    // Browsers call every pasted screenshot "image.png".
    const { named } = await import('./folders.js');
    this.#take(files.map((file) => (file.name === 'image.png' ? named(file, 'pasted') : file)));
  }
}

function onChosen(input, take) {
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = '';  // so that the same file can be chosen again
    take(files);
  });
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes('Files') ?? false;
}

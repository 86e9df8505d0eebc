// Folders, dropped or chosen, and other files that need a second look. Loaded when there are any.

import { stamp } from '../format.js';

const MAX_DEPTH = 8;  // of folders in folders

/** Of the files of a folder those that are pictures, in order of their paths. */
export function picturesOf(files) {
  const path = (file) => file.webkitRelativePath || file.name;
  const isPicture = ({ name, type }) => !name.startsWith('.') &&
    (type.startsWith('image/') || /\.(jpe?g|png|webp|bmp|tiff?)$/i.test(name));
  const pictures = files.filter(isPicture);
  if (pictures.every((file) => !file.webkitRelativePath)) return pictures;  // in order already
  return pictures.sort((a, b) => path(a).localeCompare(path(b), undefined, { numeric: true }));
}

/** The file by another name: what it is, and when. */
export function named(file, what) {
  const ending = file.name.slice(file.name.lastIndexOf('.'));
  return new File([file], `${stamp(what)}${ending}`, { type: file.type });
}

/** The files in dropped folders, in order of their names. entries: webkitGetAsEntry()'s. */
export async function filesIn(entries) {
  const found = await Promise.all(entries.map((entry) => walk(entry, 0)));
  return found.flat();
}

async function walk(entry, depth) {
  try {
    if (entry.isFile) return [await new Promise((ok, no) => { entry.file(ok, no); })];
    if (depth >= MAX_DEPTH) return [];
    const children = await listFolder(entry);
    const found = await Promise.all(children.map((child) => walk(child, depth + 1)));
    return found.flat();
  } catch {
    return [];  // a file or folder that cannot be read
  }
}

// A folder hands out its entries some hundred at a time, and an empty list at the end.
async function listFolder(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((ok, no) => { reader.readEntries(ok, no); });
    if (some.length === 0) break;
    all.push(...some);
  }
  return all.filter((entry) => !entry.name.startsWith('.'))
    .sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
}

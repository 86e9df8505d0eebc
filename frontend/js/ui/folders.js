// Dropped folders: the files in them, in order of their names. Loaded only when one is dropped.

const MAX_DEPTH = 8;  // of folders in folders

/** entries: what webkitGetAsEntry() gave, null where it gave nothing. */
export async function filesIn(entries) {
  const found = await Promise.all(entries.map((entry) => (entry ? walk(entry, 0) : [])));
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
    .sort((a, b) => a.name.localeCompare(b.name));
}

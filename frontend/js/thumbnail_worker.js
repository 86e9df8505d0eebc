// Makes small pictures of photos, away from the page's own thread: a camera's photo takes a tenth
// of a second to decode, and three thousand of them would fill the memory.
//
// in: {job, source: Blob | address on this server, width}   out: {job, blob: Blob | null}

const QUALITY = 0.82;

async function decode(source, width) {
  let blob = source;
  if (typeof source === 'string') {
    const answer = await fetch(source);
    if (!answer.ok) return null;
    blob = await answer.blob();
  }
  return createImageBitmap(blob, { resizeWidth: width, resizeQuality: 'medium' });
}

async function shrink(source, width) {
  const bitmap = await decode(source, width);
  if (!bitmap) return null;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { alpha: false });
  context.fillStyle = '#fff';  // under what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: QUALITY });
}

self.onmessage = async ({ data: { job, source, width } }) => {
  let blob = null;
  try {
    blob = await shrink(source, width);
  } catch { /* no picture that this browser can show (TIFF, a damaged file): there is none then */ }
  self.postMessage({ job, blob });
};

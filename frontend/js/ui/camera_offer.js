// Owns the choice how a photo can be taken here: with a live picture of the camera where the browser
// allows it, else, on a phone, with its own camera program.

export function offerCamera({ button, capture, dialog, onPhoto }) {
  const live = isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  button.hidden = !live;
  capture.hidden = capture.labels[0].hidden = live || !matchMedia('(pointer: coarse)').matches;
  if (!live) return;
  let camera = null;
  button.addEventListener('click', async () => {
    const { Camera } = await import('./camera.js');
    camera ??= new Camera(dialog, { onPhoto });
    await camera.open();
  });
}

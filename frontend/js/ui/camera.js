// Owns the dialog that takes photos with the camera. Loaded when it is first opened. The camera is
// on only while the dialog is open.

import { plural, stamp } from '../format.js';

const REASONS = {
  NotAllowedError: 'The camera may not be used here. Allow it in the browser’s settings for this ' +
    'site, then try again.',
  NotFoundError: 'There is no camera on this device.',
  NotReadableError: 'The camera does not answer; another program may be using it.',
};
const QUALITY = 0.92;

export class Camera {
  #dialog;
  #video;
  #shutter;
  #choice;
  #note;
  #stream = null;
  #taken = 0;

  /** onPhoto(file): a photo was taken. */
  constructor(dialog, { onPhoto }) {
    const part = (name) => dialog.querySelector(`.camera-${name}`);
    this.#dialog = dialog;
    this.#video = part('video');
    this.#shutter = part('shutter');
    this.#choice = part('choice');
    this.#note = part('note');
    this.onPhoto = onPhoto;
    this.#shutter.addEventListener('click', () => this.#shoot());
    part('close').addEventListener('click', () => dialog.close());
    this.#choice.addEventListener('change', () => this.#start(this.#choice.value));
    dialog.addEventListener('close', () => this.#stop());
  }

  async open() {
    this.#taken = 0;
    this.#say('');
    this.#dialog.showModal();
    await this.#start();
  }

  async #start(deviceId = null) {
    this.#stop();
    this.#shutter.disabled = true;
    this.#say('Starting the camera…');
    // The back one of a phone, where there are two; as fine as it goes, within reason.
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: 'environment' };
    try {
      const stream = await navigator.mediaDevices.getUserMedia(
        { audio: false, video: { ...wanted, width: { ideal: 1920 }, height: { ideal: 1080 } } });
      if (!this.#dialog.open) return stopTracks(stream);
      this.#stream = stream;
      this.#video.srcObject = stream;
      await this.#video.play();
      await this.#offerCameras(stream);
      this.#shutter.disabled = false;
      this.#shutter.focus();
      this.#say('');
    } catch (error) {
      if (this.#dialog.open) this.#say(REASONS[error.name] ?? 'The camera could not be started.');
    }
    return undefined;
  }

  // Their names are told only once one of them may be used.
  async #offerCameras(stream) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter(({ kind }) => kind === 'videoinput');
    const current = stream.getVideoTracks()[0]?.getSettings().deviceId;
    this.#choice.replaceChildren(...cameras.map(({ deviceId, label }, index) =>
      new Option(label || `Camera ${index + 1}`, deviceId, false, deviceId === current)));
    this.#choice.closest('.camera-choices').hidden = cameras.length < 2;
  }

  async #shoot() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width === 0) return;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('2d').drawImage(this.#video, 0, 0);
    const blob = await new Promise((got) => { canvas.toBlob(got, 'image/jpeg', QUALITY); });
    if (!blob) return;
    this.onPhoto(new File([blob], `${stamp('camera')}.jpg`, { type: blob.type }));
    this.#taken += 1;
    this.#say(`${plural(this.#taken, 'photo')} taken.`);
    this.#video.classList.remove('flash');
    void this.#video.offsetWidth;  // so that the flash begins anew
    this.#video.classList.add('flash');
  }

  #stop() {
    if (this.#stream) stopTracks(this.#stream);
    this.#stream = null;
    this.#video.srcObject = null;
  }

  #say(text) {
    this.#note.textContent = text;
  }
}

function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

// Asks before something that cannot be undone. Loaded when it is first needed.

import { button, element } from './element.js';

/** Resolves to whether the person agrees. The focus goes back to where it was. */
export function confirm({ title, text, action }) {
  return new Promise((resolve) => {
    const heading = element('h2', '', title);
    heading.id = 'confirm-title';
    const words = element('p', 'dialog-text', text);
    words.id = 'confirm-text';
    const dialog = element('dialog', 'dialog small-dialog');
    dialog.setAttribute('aria-labelledby', heading.id);
    dialog.setAttribute('aria-describedby', words.id);
    const cancel = button('button', 'Keep', () => dialog.close());
    cancel.autofocus = true;
    const agree = button('button danger', action, () => dialog.close('yes'));
    dialog.append(heading, words, element('div', 'dialog-actions', cancel, agree));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

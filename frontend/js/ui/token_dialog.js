// Asks for the access token of a server that wants one. Loaded when it is first needed; builds its
// own elements, so that any page can use it.

import { sentence } from '../format.js';
import { button, element } from './element.js';

export class TokenDialog {
  #dialog;
  #input;
  #problem;
  #send;
  #taken = null;  // resolves the promise that ask() gave

  /** openSession(token) → Promise: rejects with an ApiError where the server refuses it. */
  constructor(openSession) {
    this.openSession = openSession;
    this.#build();
  }

  /** Resolves once the server has taken a token, however often the dialog is closed meanwhile. */
  ask() {
    return new Promise((resolve) => {
      this.#taken = resolve;
      this.open();
    });
  }

  open() {
    if (!this.#taken || this.#dialog.open) return;
    this.#say('');
    this.#dialog.showModal();
  }

  #build() {
    const heading = element('h2', '', 'Access token');
    heading.id = 'token-title';
    const words = element('p', 'dialog-text',
      'This server answers only those who have its access token. Whoever runs it can tell you.');
    const label = element('label', 'field-label', 'Token');
    label.htmlFor = 'token-input';
    this.#input = element('input', 'input');
    Object.assign(this.#input, { id: 'token-input', type: 'password', required: true,
                                 autocomplete: 'current-password', autofocus: true });
    this.#problem = element('p', 'field-problem');
    this.#problem.id = 'token-problem';
    this.#problem.setAttribute('role', 'alert');
    this.#input.setAttribute('aria-describedby', this.#problem.id);
    const later = button('button', 'Not now', () => this.#dialog.close());
    this.#send = element('button', 'button primary', 'Go on');
    const form = element('form', '', label, this.#input, this.#problem,
                         element('div', 'dialog-actions', later, this.#send));
    form.noValidate = true;
    form.addEventListener('submit', (event) => this.#submit(event));
    this.#dialog = element('dialog', 'dialog small-dialog', heading, words, form);
    this.#dialog.setAttribute('aria-labelledby', heading.id);
    document.body.append(this.#dialog);
  }

  async #submit(event) {
    event.preventDefault();
    const token = this.#input.value.trim();
    if (!token) return this.#say('Enter the token first.');
    this.#send.disabled = true;
    try {
      await this.openSession(token);
      this.#input.value = '';
      this.#dialog.close();
      this.#taken();
      this.#taken = null;
    } catch (error) {
      this.#say(error.code === 'bad_token' ? 'That is not the token of this server.'
        : sentence(error.detail));
    } finally {
      this.#send.disabled = false;
    }
    return undefined;
  }

  #say(text) {
    this.#problem.textContent = text;
    this.#input.setAttribute('aria-invalid', String(text !== ''));
    if (text) this.#input.select();
  }
}

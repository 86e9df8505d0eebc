// Making and changing elements, without touching what is as it should be already.

/** An element of `tag` with a class and a text, both optional. */
export function make(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Text that changed is written; the rest is left alone, so that a selection survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A share from 0 to 1 for the style sheet. */
export function setShare(element, name, share) {
  element.style.setProperty(name, Math.min(1, Math.max(0, Number(share) || 0)).toFixed(4));
}

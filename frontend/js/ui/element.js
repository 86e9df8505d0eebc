// A shorthand for elements that are built by hand: text stays text, whatever it looks like.

/** element('p', 'lead', 'Hello'), element('p', 'lead', strong, ' and more'). */
export function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

export function button(className, text, onClick) {
  const made = element('button', className, text);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

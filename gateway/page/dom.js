// dom - elements made and changed.  What anybody else has said gets onto the page
// as text only, never as markup.

const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

// make('p', { class: 'x' }, 'text', element, ...); svg() likewise.
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const make = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// What is the same already is left alone, so that nobody is told of it.
function setText(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}
function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value)
    element.setAttribute(name, value);
}

// Said to those who do not see the page.  What comes within a second is one
// announcement, and of much only its number and the last.
let sayings = [];
function say(text) {
  sayings.push(text);
  if (sayings.length > 1)
    return;
  setTimeout(() => {
    const said = sayings.length <= 3 ? sayings.join('. ')
      : `${sayings.length} events, the last: ${sayings.at(-1)}`;
    sayings = [];
    byId('say').append(make('p', {}, `${said}.`));
    while (byId('say').children.length > 5)
      byId('say').firstChild.remove();
  }, 1000);
}

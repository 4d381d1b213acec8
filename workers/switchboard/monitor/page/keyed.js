// Rows of the page by key: what did not change is not touched.

/** Set an element's text if it is another; text is never markup. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** An element with classes and children or text. */
export function make(tag, classes = "", ...inside) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...inside);
  return element;
}

const PLAIN = /^[\x20-\x7e]*$/;

/**
 * What others named, such as an id or a queue, with a direction of its own: it can't turn the text around it.
 *
 * A plain name needs no element. Of another even a control that would end its isolation ends within it, for the
 * stylesheet makes a block of each <bdi>.
 */
export function named(text) {
  return PLAIN.test(text) ? text : make("bdi", "", text);
}

/** A sentence as text and elements: each of these names in it is isolated. */
export function sentence(words, names) {
  const found = [...new Set(names)].filter((name) => name && !PLAIN.test(name) && words.includes(name));
  if (!found.length) return [words];
  // The longest first: one may be a part of another.
  const choices = found.sort((one, other) => other.length - one.length).map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return words.split(new RegExp(`(${choices.join("|")})`)).map((part, index) => (index % 2 ? named(part) : part));
}

/** `say` for a sentence with names in it. */
export function tell(element, words, names) {
  if (element.textContent !== words) element.replaceChildren(...sentence(words, names));
}

/** Where there are no elements, as in a tooltip: isolated by characters, and without those that could end that. */
export function isolated(text) {
  return PLAIN.test(text) ? text : `\u2068${text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd")}\u2069`;
}

/** Children of `parent` by key, in the order of their sort keys. */
export class Keyed {
  #rows = new Map();

  /**
   * @param parent the element they stand in
   * @param build (row) => element, made once for a key
   * @param show (element, row), each time the row changed
   * @param order (row, other) => which comes first
   */
  constructor(parent, build, show, order) {
    Object.assign(this, { parent, build, show, order });
  }

  get rows() {
    return this.#rows;
  }

  put(key, row) {
    const known = this.#rows.get(key);
    const element = known ? known.element : this.build(row);
    this.show(element, row);
    this.#rows.set(key, { row, element });
    if (!known || this.order(known.row, row) !== 0) this.#place(key, row, element);
  }

  drop(key) {
    this.#rows.get(key)?.element.remove();
    this.#rows.delete(key);
  }

  keep(keys) {
    for (const key of [...this.#rows.keys()]) if (!keys.has(key)) this.drop(key);
  }

  showAll() {
    for (const { row, element } of this.#rows.values()) this.show(element, row);
  }

  #place(key, row, element) {
    // The children are in order but for this one: a search by halves finds its place.
    element.remove();
    const children = this.parent.children;
    let [low, high] = [0, children.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.order(children[middle].shown, row) <= 0) low = middle + 1;
      else high = middle;
    }
    element.shown = row;
    this.parent.insertBefore(element, children[low] ?? null);
  }
}

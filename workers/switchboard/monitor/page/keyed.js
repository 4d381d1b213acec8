// Elements of the page by key; unchanged elements are not touched.

/** Set the text of an element, if it differs. Text is never parsed as markup. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
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
 * A name from the bus, such as an id or a queue, that can't change the direction of the text around it.
 *
 * ASCII needs no element. Other text is put into a <bdi>, which the stylesheet makes an inline block: so a control
 * character that ends an isolation has no effect outside.
 */
export function isolate(text) {
  return PLAIN.test(text) ? text : make("bdi", "", text);
}

/** A sentence as text and elements, with each of these names isolated. */
export function sentenceNodes(words, names) {
  const found = [...new Set(names)].filter((name) => name && !PLAIN.test(name) && words.includes(name));
  if (!found.length) return [words];
  // The longest name first, since a name may contain another.
  const choices = found.sort((one, other) => other.length - one.length).map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return words.split(new RegExp(`(${choices.join("|")})`)).map((part, index) => (index % 2 ? isolate(part) : part));
}

/** Set the text of an element to a sentence with names, if it differs. */
export function setSentence(element, words, names) {
  if (element.textContent !== words) element.replaceChildren(...sentenceNodes(words, names));
}

/** A name isolated by characters, for tooltips, without characters that would end the isolation. */
export function isolateText(text) {
  return PLAIN.test(text) ? text : `\u2068${text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd")}\u2069`;
}

/** Children of `parent` by key, in the order of their sort keys. */
export class Keyed {
  #rows = new Map();

  /**
   * @param parent the element that holds the children
   * @param build (row) => element, called once for a key
   * @param show (element, row), called when the row is new or changed
   * @param order (row, other) => negative if `row` comes first
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
    // Binary search: the other children are in order.
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

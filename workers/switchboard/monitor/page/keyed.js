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

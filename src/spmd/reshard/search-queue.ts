/** @file A priority queue: a binary heap that gives the least first, and of equals the one that came last. */

interface Entry<T> {
  readonly item: T;
  readonly rank: readonly [first: number, second: number];
  readonly order: number;
}

export class SearchQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #count = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Lower ranks come out first; the second number decides among equals. */
  push(item: T, rank: readonly [first: number, second: number]): void {
    const heap = this.#heap;
    let at = heap.length;
    const entry = { item, rank, order: this.#count++ };
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Entry<T>;
      if (!before(entry, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  pop(): T | undefined {
    const heap = this.#heap;
    const [top, last] = [heap[0], heap.pop()];
    if (top === undefined || last === undefined || top === last) return top?.item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Entry<T>)) child++;
      const least = heap[child] as Entry<T>;
      if (!before(least, last)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
    return top.item;
  }
}

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  const [x, y] = [a.rank, b.rank];
  if (x[0] !== y[0]) return x[0] < y[0];
  return x[1] !== y[1] ? x[1] < y[1] : a.order > b.order;
}

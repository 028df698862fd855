/** What happens next in a simulated world? A heap of things to do, by time, and in the order they were planned. */

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly what: () => void;
}

export class Timeline {
  #heap: Entry[] = [];
  #order = 0;
  #now = 0;

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  after(ms: number, what: () => void): void {
    const heap = this.#heap;
    heap.push({ at: this.#now + ms, order: this.#order++, what });
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!earlier(heap[child] as Entry, heap[parent] as Entry)) break;
      swap(heap, child, parent);
      child = parent;
    }
  }

  /** Do the next thing; false when there is none. */
  step(): boolean {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined) return false;
    const last = heap.pop() as Entry;
    if (heap.length > 0) {
      heap[0] = last;
      sink(heap);
    }
    this.#now = first.at;
    first.what();
    return true;
  }
}

function sink(heap: Entry[]): void {
  for (let parent = 0; ; ) {
    let least = parent;
    for (const child of [2 * parent + 1, 2 * parent + 2]) {
      if (child < heap.length && earlier(heap[child] as Entry, heap[least] as Entry)) least = child;
    }
    if (least === parent) return;
    swap(heap, parent, least);
    parent = least;
  }
}

function earlier(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function swap(heap: Entry[], i: number, j: number): void {
  const held = heap[i] as Entry;
  heap[i] = heap[j] as Entry;
  heap[j] = held;
}

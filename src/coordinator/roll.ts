/**
 * What is known of each of hundreds of seats, where every event changes that of one? A map that is never changed: a new value
 * for a seat makes a new map, which shares all but one page with the one before.
 */
import type { SeatId } from '../protocol.ts';
import { changed, type Pages, pagesFrom, valueAt, valuesOf } from './pages.ts';

/** Seat ↦ value, in the order in which they came. */
export class Roll<T> {
  readonly #places: ReadonlyMap<SeatId, number>;
  readonly #values: Pages<T>;
  /** `values`, once they were asked for. */
  #list: readonly T[] | null = null;

  private constructor(places: ReadonlyMap<SeatId, number>, values: Pages<T>) {
    this.#places = places;
    this.#values = values;
  }

  static of<T>(entries: readonly (readonly [seat: SeatId, value: T])[]): Roll<T> {
    const places = new Map(entries.map(([seat], place) => [seat, place]));
    return new Roll(places, pagesFrom(entries.map(([, value]) => value)));
  }

  get size(): number {
    return this.#places.size;
  }

  has(seat: SeatId): boolean {
    return this.#places.has(seat);
  }

  get(seat: SeatId): T | undefined {
    const place = this.#places.get(seat);
    return place === undefined ? undefined : valueAt(this.#values, place);
  }

  seats(): readonly SeatId[] {
    return [...this.#places.keys()];
  }

  values(): readonly T[] {
    this.#list ??= valuesOf(this.#values);
    return this.#list;
  }

  /** With this value; a seat that is not here comes last. */
  with(seat: SeatId, value: T): Roll<T> {
    const place = this.#places.get(seat);
    if (place === undefined) return Roll.of([...this.#entries(), [seat, value]]);
    return new Roll(
      this.#places,
      changed(this.#values, [place], () => value),
    );
  }

  without(seat: SeatId): Roll<T> {
    return this.has(seat) ? Roll.of(this.#entries().filter(([its]) => its !== seat)) : this;
  }

  map<U>(change: (value: T) => U): Roll<U> {
    return new Roll(this.#places, pagesFrom(this.values().map(change)));
  }

  #entries(): readonly (readonly [seat: SeatId, value: T])[] {
    const values = this.values();
    return this.seats().map((seat, place) => [seat, values[place] as T]); // as many as seats
  }
}

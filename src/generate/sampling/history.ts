/** @file What has been said so far, kept in the forms that rules ask for. */

/** Tokens of a prompt and of its answer so far. */
export class History {
  readonly prompt: ArrayLike<number>;
  readonly #answer: number[] = [];
  readonly #counts = new Map<number, number>();
  readonly #seen: Set<number>;

  constructor(prompt: ArrayLike<number>, answer: Iterable<number> = []) {
    this.prompt = prompt;
    this.#seen = new Set(Array.from(prompt));
    for (const id of answer) this.add(id);
  }

  get answer(): readonly number[] {
    return this.#answer;
  }

  /** How often the answer holds each of its tokens. */
  get counts(): ReadonlyMap<number, number> {
    return this.#counts;
  }

  /** Tokens of prompt and answer. */
  get seen(): ReadonlySet<number> {
    return this.#seen;
  }

  get length(): number {
    return this.prompt.length + this.#answer.length;
  }

  /** Token at a place of prompt and answer together. */
  at(place: number): number {
    const { length } = this.prompt;
    return (place < length ? this.prompt[place] : this.#answer[place - length]) ?? 0;
  }

  add(id: number): void {
    this.#answer.push(id);
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    this.#seen.add(id);
  }
}

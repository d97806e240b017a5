/** @file The next batches, made while a step runs, and how long steps had to wait for theirs. */

/** A batch, and what it cost the step that wanted it. */
export interface Prefetched<B> {
  readonly batch: B;
  /** Seconds that `next` spent making it: 0 when it was there. */
  readonly waited: number;
}

export interface Prefetcher<B> {
  /** The batch of the next step. Returns at once; the batches after it are made when the caller awaits something. */
  next(): Prefetched<B>;
  /** Goes on from another step. */
  seek(step: number): void;
  /** Stops making batches ahead. */
  close(): void;
}

/**
 * Batches from step `from` on, `ahead` of them made before they are asked for.
 *
 * No thread: engines compute off the event loop, so while a step runs this loop is idle, and a batch is a few reads of
 * pages. They are made one by one, each in a turn of its own, so that a step that ends between two is not held up.
 */
export function prefetch<B>(
  make: (step: number) => B,
  from: number,
  { ahead = 2 }: { readonly ahead?: number } = {},
): Prefetcher<B> {
  const ready = new Map<number, B>();
  let at = from;
  let turn: NodeJS.Immediate | undefined;
  let closed = false;
  let failure: { readonly step: number; readonly cause: unknown } | undefined;
  const makeOne = (): void => {
    turn = undefined;
    for (let step = at; step < at + ahead; step++) {
      if (ready.has(step)) continue;
      try {
        ready.set(step, make(step));
      } catch (cause) {
        // Told to whoever asks for this step; the steps before it are still good.
        failure = { step, cause };
        return;
      }
      schedule();
      return;
    }
  };
  const schedule = (): void => {
    if (!closed && failure === undefined) turn ??= setImmediate(makeOne);
  };
  return {
    next() {
      if (failure?.step === at) throw failure.cause;
      const started = performance.now();
      const found = ready.get(at);
      const batch = found ?? make(at);
      const waited = found === undefined ? (performance.now() - started) / 1000 : 0;
      ready.delete(at);
      at++;
      schedule();
      return { batch, waited };
    },
    seek(step) {
      at = step;
      ready.clear();
      failure = undefined;
    },
    close() {
      if (turn !== undefined) clearImmediate(turn);
      closed = true;
      ready.clear();
    },
  };
}

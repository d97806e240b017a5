/** @file Connectionist temporal classification: the loss of a transcript without an alignment. */

import { ShapeError } from "../core/errors.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  arange,
  broadcastTo,
  concatenate,
  einsum,
  exp,
  full,
  isOneHot,
  log,
  logSoftmax,
  logSumExp,
  maximum,
  oneHot,
  scan,
  where,
} from "../numpy/index.ts";

export interface CtcOptions {
  /** int32 `[batch]`, frames that count in each example; all when absent. */
  readonly frames?: Tensor;
  /** int32 `[batch]`, labels that count in each example; all when absent. */
  readonly lengths?: Tensor;
  /** The class that stands for no label; 0 when absent. */
  readonly blank?: number;
}

/** Stands for log 0: far below any sum of logits, and free of ∞ − ∞. */
const IMPOSSIBLE = -1e30;

/**
 * `−log p(labels | logits)`: the sum over all alignments, which are paths of one class per frame that
 * become the labels when repetitions are merged and blanks dropped.
 *
 * Labels that do not fit into the frames have a loss of ∞ and no gradient.
 *
 * @param logits - `[batch, time, vocab]`, not normalised
 * @param labels - int32 `[batch, label]`, of which the first `lengths` count; none of these the blank
 * @returns `[batch]`, nats
 * @see Graves et al., ICML 2006, equations 6 to 8
 */
export function ctcLoss(logits: Tensor, labels: Tensor, options: CtcOptions = {}): Tensor {
  checkForms(logits, labels, options);
  const [batch = 0, time = 0, vocab = 0] = logits.dims;
  const count = labels.dims[1] ?? 0;
  const all = (size: number) => full(size, [batch], "batch", "int32");
  const frames = options.frames?.as("batch") ?? all(time);
  const lengths = options.lengths?.as("batch") ?? all(count);
  const path = withBlanks(labels.reshape([batch, count]), options.blank ?? 0);
  const mayMove = mayLeap(path, options.blank ?? 0);

  const logP = logSoftmax(logits.as("batch time vocab").astype("float32"), "vocab");
  const emissions = einsum(
    "batch time vocab, batch state vocab -> time batch state",
    logP,
    oneHot(path, vocab, "vocab").as("batch state vocab"),
  );
  // Before the first frame the path stands at its first blank: staying and one step lead to both starts.
  const first = broadcastTo(
    where(isOneHot(all(1).sub(1), path.dims[1] ?? 1, "state"), 0, IMPOSSIBLE),
    path.as("batch state"),
  );
  const [alpha] = scan(
    (before: Tensor, { emission, at }: { readonly emission: Tensor; readonly at: Tensor }) => {
      const leap = where(mayMove, shifted(before, 2), IMPOSSIBLE);
      const after = logAddExp([before, shifted(before, 1), leap]).add(emission);
      const counts = broadcastTo(at, frames).less(frames);
      return [where(broadcastTo(counts, before), after, before), []] as const;
    },
    first,
    { emission: emissions, at: arange(time, "time") },
  );
  const ends = arange(path.dims[1] ?? 1, "state");
  const end = lengths.mul(2);
  const isEnd = endMask(ends, end, alpha).add(endMask(ends, end.sub(1), alpha));
  const total = logSumExp(where(isEnd.equal(1), alpha, IMPOSSIBLE), "state");
  return where(total.less(IMPOSSIBLE / 2), Number.POSITIVE_INFINITY, total.neg());
}

/** `blank, label, blank, label … blank` */
function withBlanks(labels: Tensor, blank: number): Tensor {
  const [batch = 0, count = 0] = labels.dims;
  const between = full(blank, [batch, count, 1], undefined, "int32");
  const pairs = concatenate([between, labels.reshape([batch, count, 1])], 2);
  const last = full(blank, [batch, 1], undefined, "int32");
  return concatenate([pairs.reshape([batch, 2 * count]), last], 1).as("batch state");
}

/** States that may follow the one before the one before them: labels that differ from the label before. */
function mayLeap(path: Tensor, blank: number): Tensor {
  const [batch = 0, states = 0] = path.dims;
  if (states < 3) return full(0, [batch, states], "batch state", "bool");
  const start = full(blank, [batch, 2], "batch state", "int32");
  const before = concatenate([start, path.slice("state", 0, states - 2)], "state");
  const stuck = path.equal(blank).astype("int32").add(path.equal(before).astype("int32"));
  return stuck.equal(0);
}

/** The state `by` places earlier. */
function shifted(alpha: Tensor, by: number): Tensor {
  const [batch = 0, states = 0] = alpha.dims;
  const lost = Math.min(by, states);
  const start = full(IMPOSSIBLE, [batch, lost], "batch state");
  return concatenate([start, alpha.slice("state", 0, states - lost)], "state");
}

function logAddExp(terms: readonly Tensor[]): Tensor {
  const top = terms.reduce((a, b) => maximum(a, b)).stopGradient();
  const powers = terms.map((term) => exp(term.sub(top)));
  return log(powers.reduce((a, b) => a.add(b))).add(top);
}

function endMask(states: Tensor, end: Tensor, like: Tensor): Tensor {
  return broadcastTo(states, like).equal(broadcastTo(end, like)).astype("int32");
}

function checkForms(logits: Tensor, labels: Tensor, { frames, lengths }: CtcOptions): void {
  const [batch] = logits.dims;
  const perExample = [frames, lengths].filter((x) => x !== undefined);
  const wrong =
    logits.rank !== 3 ||
    labels.rank !== 2 ||
    labels.dims[0] !== batch ||
    [labels, ...perExample].some((x) => x.dtype !== "int32" || x.dims[0] !== batch) ||
    perExample.some((x) => x.rank !== 1);
  if (!wrong) return;
  throw new ShapeError("SHAPE-01", "ctcLoss: logits, labels and lengths do not fit together.", [
    ["logits", `${showAval(logits.aval)}, wanted [batch, time, vocab]`],
    ["labels", `${showAval(labels.aval)}, wanted int32[batch, label]`],
    ...perExample.map((x) => ["lengths", `${showAval(x.aval)}, wanted int32[batch]`] as const),
  ]);
}

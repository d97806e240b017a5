/** @file What attention adds to its logits: masks and biases, each kept to the axes that it has. */

import { mergeName } from "../core/axes.ts";
import { ShapeError } from "../core/errors.ts";
import { type Aval, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { and } from "../ops/bits.ts";
import { broadcast, fullLike, iota } from "../ops/creation.ts";
import { reduceMax } from "../ops/extremes.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { convert, greaterEqual, select } from "../ops/logic.ts";
import { slice } from "../ops/pieces.ts";

/** A tensor along some axes of `[batch…, head, query, key]`, rising; it is constant along the others. */
export interface Term {
  readonly x: Tensor;
  readonly axes: readonly number[];
}

/**
 * x as a term of logits of this form. Axes meet as in arithmetic: by name where all are named, else from
 * the right, and those of length 1 stretch.
 *
 * @throws ShapeError naming `what`, when x does not fit
 */
export function termOf(what: string, x: Tensor, logits: Aval): Term {
  const facts = () =>
    [
      [what, showAval(x.aval)],
      ["logits", showAval(logits)],
    ] as const;
  const named = x.rank > 0 && [...x.names, ...logits.names].every((name) => name !== null);
  const places = x.names.map((name, i) =>
    named ? logits.names.indexOf(name) : i + logits.dims.length - x.rank,
  );
  const fits = (place: number, i: number) =>
    logits.dims[place] === x.dims[i] || (!named && place >= 0 && x.dims[i] === 1);
  if (!places.every(fits)) {
    throw new ShapeError(
      "SHAPE-01",
      `attention: the ${what} does not broadcast to [batch…, head, query, key].`,
      facts(),
    );
  }
  const kept = places
    .map((_, i) => i)
    .filter((i) => x.dims[i] === logits.dims[places[i] ?? 0])
    .sort((i, j) => (places[i] ?? 0) - (places[j] ?? 0));
  const axes = kept.map((i) => places[i] ?? 0);
  const names = kept.map((i, at) =>
    mergeName(`attention ${what}`, logits.names[axes[at] ?? 0] ?? null, x.names[i] ?? null, facts),
  );
  const rest = x.dims.map((_, i) => i).filter((i) => !kept.includes(i));
  const sizes = kept.map((i) => dimOf(x.aval, i));
  return { x: reshape(transpose(x, [...rest, ...kept]), sizes, names), axes };
}

/** Elements `start ≤ i < end` along one axis of the logits. */
export function cut(term: Term, axis: number, start: number, end: number): Term {
  const at = term.axes.indexOf(axis);
  if (at < 0) return term;
  const { dims } = term.x;
  const from = dims.map((_, i) => (i === at ? start : 0));
  const to = dims.map((dim, i) => (i === at ? end : dim));
  return { ...term, x: slice(term.x, from, to) };
}

/** The term spread over more axes of the logits. */
function over(term: Term, axes: readonly number[], logits: Aval): Tensor {
  return broadcast(term.x, {
    dims: axes.map((axis) => dimOf(logits, axis)),
    axes: term.axes.map((axis) => axes.indexOf(axis)),
    names: axes.map((axis) => logits.names[axis] ?? null),
  });
}

function union(a: Term, b: Term): number[] {
  return [...new Set([...a.axes, ...b.axes])].sort((i, j) => i - j);
}

/** Keys that both allow. */
export function both(a: Term, b: Term, logits: Aval): Term {
  const axes = union(a, b);
  return { x: and(over(a, axes, logits), over(b, axes, logits)), axes };
}

/** Which keys come no later than their query, the last query standing at the last key. */
export function causalTerm(logits: Aval): Term {
  const axes = [logits.dims.length - 2, logits.dims.length - 1];
  const [queries = 0, keys = 0] = axes.map((axis) => dimOf(logits, axis));
  const line = (axis: number) =>
    iota({ dtype: "int32", dims: [dimOf(logits, axis)], names: [logits.names[axis] ?? null] }, 0);
  const [query, key] = axes.map(line) as [Tensor, Tensor];
  const place = add(query, fullLike(query, keys - queries));
  const grid = (x: Tensor, axis: number) => over({ x, axes: [axis] }, axes, logits);
  return { x: greaterEqual(grid(place, axes[0] ?? 0), grid(key, axes[1] ?? 0)), axes };
}

/**
 * Far below every logit, yet finite: a row without any allowed key stays finite, and becomes zeros later.
 * Added to a logit it leaves nothing of it, so such a row is constant and sends no gradient either.
 */
function forbidden(x: Tensor): Tensor {
  return fullLike(x, x.dtype === "float16" ? -3e4 : -1e30);
}

/**
 * The logits plus the bias, and far below everything where a key is not allowed.
 *
 * An additive mask needs no node in the backward direction, where the softmax is 0 already. It joins the
 * bias first where that is cheaper than meeting the logits a second time.
 */
export function addTerms(logits: Tensor, bias: Term | null, allowed: Term | null): Tensor {
  const whole = logits.dims.map((_, i) => i);
  const plus = (y: Tensor, term: Term) => add(y, over(term, whole, logits.aval));
  if (allowed === null) return bias === null ? logits : plus(logits, bias);
  const axes = bias === null ? allowed.axes : union(bias, allowed);
  const joined = bias === null || axes.length < logits.rank || bias.axes.length === logits.rank;
  const test = over(allowed, joined ? axes : allowed.axes, logits.aval);
  const form = { ...test.aval, dtype: logits.dtype };
  const base = joined && bias !== null ? over(bias, axes, logits.aval) : fullLike(form, 0);
  const mask: Term = {
    x: select(test, base, forbidden(base)),
    axes: joined ? axes : allowed.axes,
  };
  return plus(joined || bias === null ? logits : plus(logits, bias), mask);
}

/** y `[batch…, head, query, dim]` with zeros where a query may see no key at all. */
export function zeroWhereNothing(y: Tensor, allowed: Term): Tensor {
  const last = y.rank - 1;
  const at = allowed.axes.indexOf(last);
  // ONNX Runtime takes no maximum of truth values.
  const any = at < 0 ? allowed.x : convert(reduceMax(convert(allowed.x, "int32"), [at]), "bool");
  const test = broadcast(any, {
    dims: y.dims,
    axes: allowed.axes.filter((axis) => axis !== last),
    names: y.names,
  });
  return select(test, y, fullLike(y, 0));
}

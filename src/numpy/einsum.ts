/** @file Einsum in axis words: `einsum("batch pos embed, embed mlp -> batch pos mlp", x, w)`. */

import { parseAxes } from "../core/axes.ts";
import { AxisError, type Fact, ShapeError } from "../core/errors.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { contract } from "../ops/contract.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { sum } from "../ops/sum.ts";

type Split<S extends string, D extends string> = S extends `${infer A}${D}${infer B}`
  ? [A, ...Split<B, D>]
  : [S];
type Left<E extends string> = E extends `${infer L}->${string}` ? L : E;
type Right<E extends string> = E extends `${string}->${infer R}` ? R : "";
type WordsIn<S extends string> = Exclude<Split<S, " ">[number], "">;
type Commaless<S extends string> = S extends `${infer A},${infer B}` ? `${A} ${Commaless<B>}` : S;
type Stray<E extends string> = Exclude<WordsIn<Right<E>>, WordsIn<Commaless<Left<E>>>>;

/** The equation, or a sentence that says which axis of the result stands on no operand. */
export type CheckedEquation<E extends string> = string extends E
  ? E
  : [Stray<E>] extends [never]
    ? E
    : `axis "${Stray<E>}" is on the right but on no operand`;

/** As many tensors as the equation has operands. */
export type OperandsOf<E extends string> = string extends E
  ? readonly Tensor[]
  : TensorPerSide<Split<Left<E>, ",">>;
type TensorPerSide<S extends readonly string[]> = { readonly [K in keyof S]: Tensor };

/**
 * Sums products over axes that the result lacks.
 *
 * Words are checked twice: their form at compile time, and at trace time against the names and sizes
 * that the operands carry. Operands without names take them from the equation.
 *
 * @throws ShapeError when one word has two sizes, AxisError when a word meets another name
 */
export function einsum<const E extends string>(
  equation: CheckedEquation<E> & E,
  ...operands: OperandsOf<E>
): Tensor {
  return einsumOf(equation, operands as readonly Tensor[]);
}

/** `einsum` for equations that are put together at run time. */
export function einsumOf(equation: string, operands: readonly Tensor[]): Tensor {
  const [left = "", right] = equation.split("->");
  if (right === undefined) throw new AxisError("AXIS-01", `einsum: "${equation}" has no "->"`);
  const sides = left.split(",").map((side) => parseAxes("einsum", side));
  const out = parseAxes("einsum", right);
  check(equation, sides, out, operands);
  const named = operands.map((x, i): Term => ({ tensor: x, axes: sides[i] ?? [] }));
  const result = named.reduce<Term | undefined>((done, next, i) => {
    const needed = new Set([...out, ...named.slice(i + 1).flatMap(({ axes }) => axes)]);
    return done === undefined ? reduced(next, needed, named) : product(done, next, needed);
  }, undefined);
  if (result === undefined) throw new ShapeError("SHAPE-02", "einsum: needs at least one operand");
  const order = out.map((word) => result.axes.indexOf(word));
  const arranged = transpose(result.tensor, order);
  return reshape(arranged, arranged.dims, out);
}

interface Term {
  readonly tensor: Tensor;
  readonly axes: readonly string[];
}

/** Sums the axes that nothing later needs. */
function reduced(term: Term, needed: ReadonlySet<string>, all: readonly Term[]): Term {
  const gone = term.axes.filter(
    (word) =>
      !needed.has(word) && all.every((other) => other === term || !other.axes.includes(word)),
  );
  return {
    tensor: sum(
      term.tensor,
      gone.map((word) => term.axes.indexOf(word)),
    ),
    axes: term.axes.filter((word) => !gone.includes(word)),
  };
}

function product(x: Term, y: Term, needed: ReadonlySet<string>): Term {
  const lone = (term: Term, other: Term) => {
    const gone = term.axes.filter((word) => !needed.has(word) && !other.axes.includes(word));
    return {
      tensor: sum(
        unnamed(term.tensor),
        gone.map((word) => term.axes.indexOf(word)).sort((a, b) => a - b),
      ),
      axes: term.axes.filter((word) => !gone.includes(word)),
    };
  };
  const a = lone(x, y);
  const b = lone(y, x);
  const shared = a.axes.filter((word) => b.axes.includes(word));
  // Results in the order batch, left, right, unless the caller wants these very axes in another one.
  const natural = [
    ...shared.filter((word) => needed.has(word)),
    ...a.axes.filter((word) => !b.axes.includes(word)),
    ...b.axes.filter((word) => !a.axes.includes(word)),
  ];
  const wanted = [...needed];
  const out =
    wanted.length === natural.length && wanted.every((word) => natural.includes(word))
      ? wanted
      : natural;
  return { tensor: contract(a.tensor, b.tensor, { lhs: a.axes, rhs: b.axes, out }), axes: out };
}

/** Names were checked against the equation; below here labels speak. */
function unnamed(x: Tensor): Tensor {
  return reshape(x, x.dims);
}

function check(
  equation: string,
  sides: readonly (readonly string[])[],
  out: readonly string[],
  operands: readonly Tensor[],
): void {
  const facts = (mark?: string): Fact[] => [
    ["equation", equation],
    ...(mark === undefined ? [] : [["", carets(equation, mark)] as const]),
    ...operands.map((x, i): Fact => [`operand ${i + 1}`, showAval(x.aval)]),
  ];
  if (sides.length !== operands.length) {
    throw new ShapeError(
      "SHAPE-02",
      `einsum: the equation has ${sides.length} operands, ${operands.length} were given.`,
      facts(),
    );
  }
  const sizes = new Map<string, number>();
  operands.forEach((x, i) => {
    const side = sides[i] ?? [];
    if (side.length !== x.rank) {
      throw new ShapeError(
        "SHAPE-02",
        `einsum: operand ${i + 1} has ${x.rank} axes, the equation gives it ${side.length}.`,
        facts(),
      );
    }
    side.forEach((word, axis) => {
      const name = x.names[axis] ?? null;
      if (name !== null && name !== word) {
        throw new AxisError(
          "AXIS-01",
          `einsum: axis "${name}" stands where the equation says "${word}".`,
          [
            ...facts(word),
            ["fix", `write "${name}" in the equation, or rename the axis on purpose with .as("…")`],
          ],
        );
      }
      const size = x.dims[axis] ?? 0;
      const known = sizes.get(word);
      if (known !== undefined && known !== size) {
        throw new ShapeError("SHAPE-02", `einsum: axis "${word}" has two sizes.`, [
          ...facts(word),
          ["fix", `"${word}" must be ${known} or ${size} on every operand`],
        ]);
      }
      sizes.set(word, size);
    });
  });
  const stray = out.find((word) => !sizes.has(word));
  if (stray !== undefined) {
    throw new AxisError(
      "AXIS-01",
      `einsum: axis "${stray}" is on the right but on no operand.`,
      facts(stray),
    );
  }
}

/** Carets under every occurrence of a word. */
function carets(equation: string, word: string): string {
  return equation
    .replace(/[a-zA-Z0-9_]+|./g, (part) => (part === word ? "^" : " ").repeat(part.length))
    .trimEnd();
}

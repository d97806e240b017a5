/** @file Trees of tensors: nested objects and arrays as arguments, results, parameters and states. */

import { TreeError } from "./errors.ts";
import { Tensor } from "./tensor.ts";

/** A nest of arrays and plain objects with leaves of one kind. */
export type Tree<L> = L | readonly Tree<L>[] | { readonly [key: string]: Tree<L> };

/** Any tree of tensors. Interfaces without index signatures are trees as well. */
// An interface has no index signature, so the type must be as wide as `object`.
export type Tensors = object;

/** One leaf with its path, `layers/3/attention/query`. */
export interface Leaf<L> {
  readonly path: string;
  readonly leaf: L;
}

type IsLeaf<L> = (node: unknown) => node is L;

const isTensor: IsLeaf<Tensor> = (node): node is Tensor => node instanceof Tensor;

/** Leaves in order: arrays by index, objects by their own key order. */
export function leavesWith<L>(tree: unknown, isLeaf: IsLeaf<L>, what = "tree"): Leaf<L>[] {
  const out: Leaf<L>[] = [];
  visit(tree, "", isLeaf, what, out);
  return out;
}

function visit<L>(
  node: unknown,
  path: string,
  isLeaf: IsLeaf<L>,
  what: string,
  out: Leaf<L>[],
): void {
  if (isLeaf(node)) {
    out.push({ path, leaf: node });
    return;
  }
  if (!isBranch(node)) {
    throw new TreeError("TREE-01", `${what}: ${showNode(node)} stands where a tensor should.`, [
      ["at", path === "" ? "(the whole value)" : path],
      ["fix", "make it a tensor, or keep it out of the arguments and close over it"],
    ]);
  }
  for (const [key, child] of Object.entries(node)) visit(child, join(path, key), isLeaf, what, out);
}

/** The same tree with other leaves, taken in order from `next`. */
export function rebuildWith<L>(
  tree: unknown,
  isLeaf: IsLeaf<L>,
  next: (leaf: L, path: string) => unknown,
): unknown {
  return rebuild(tree, "", isLeaf, next);
}

function rebuild<L>(
  node: unknown,
  path: string,
  isLeaf: IsLeaf<L>,
  next: (leaf: L, path: string) => unknown,
): unknown {
  if (isLeaf(node)) return next(node, path);
  if (Array.isArray(node))
    return node.map((child, i) => rebuild(child, join(path, `${i}`), isLeaf, next));
  const entries = Object.entries(node as object);
  return Object.fromEntries(
    entries.map(([key, child]) => [key, rebuild(child, join(path, key), isLeaf, next)]),
  );
}

/** Tensors of a tree, in order. @throws TreeError naming the path of a leaf that is no tensor */
export function leaves(tree: unknown, what?: string): Tensor[] {
  return leavesWith(tree, isTensor, what).map(({ leaf }) => leaf);
}

/** Tensors of a tree with their paths. */
export function namedLeaves(tree: unknown, what?: string): Leaf<Tensor>[] {
  return leavesWith(tree, isTensor, what);
}

/** A tree like `tree` with its tensors replaced, in order. */
export function withLeaves<T>(tree: T, replacements: readonly Tensor[]): T {
  let i = 0;
  return rebuildWith(tree, isTensor, () => replacements[i++]) as T;
}

/** Applies `f` to every tensor (with its path). */
export function mapTree<T>(tree: T, f: (leaf: Tensor, path: string) => Tensor): T {
  return rebuildWith(tree, isTensor, f) as T;
}

/** A text that is equal for trees of equal structure. */
export function structureOf(tree: unknown): string {
  if (tree instanceof Tensor) return "*";
  if (Array.isArray(tree)) return `[${tree.map(structureOf).join(",")}]`;
  if (!isBranch(tree)) return "?";
  return `{${Object.entries(tree)
    .map(([key, child]) => `${key}:${structureOf(child)}`)
    .join(",")}}`;
}

function isBranch(node: unknown): node is object {
  if (typeof node !== "object" || node === null || ArrayBuffer.isView(node)) return false;
  const prototype: unknown = Object.getPrototypeOf(node);
  return Array.isArray(node) || prototype === Object.prototype || prototype === null;
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}/${key}`;
}

function showNode(node: unknown): string {
  if (typeof node === "function") return "a function";
  if (typeof node === "object" && node !== null) return `a ${node.constructor.name}`;
  return `${typeof node} ${String(node)}`;
}

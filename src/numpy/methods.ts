/** @file Arithmetic as methods: `x.mul(y).sum("embed")`. Importing this file installs them. */

import type { DType } from "../core/dtype.ts";
import { Tensor } from "../core/tensor.ts";
import { stopGradient } from "../ops/elementwise.ts";
import { broadcastTo, type TensorLike } from "./align.ts";
import * as a from "./arithmetic.ts";
import * as l from "./layout.ts";
import * as p from "./pieces.ts";
import * as r from "./reduce.ts";

/** What every tensor can do. Each method is the function of the same name with `this` first. */
export interface TensorMethods {
  add(y: TensorLike): Tensor;
  sub(y: TensorLike): Tensor;
  mul(y: TensorLike): Tensor;
  div(y: TensorLike): Tensor;
  neg(): Tensor;
  exp(): Tensor;
  log(): Tensor;
  sqrt(): Tensor;
  tanh(): Tensor;
  square(): Tensor;
  equal(y: TensorLike): Tensor;
  less(y: TensorLike): Tensor;
  greaterEqual(y: TensorLike): Tensor;
  sum(axes?: r.Axes): Tensor;
  mean(axes?: r.Axes): Tensor;
  max(axes?: r.Axes): Tensor;
  /** Renames all axes, on purpose. */
  as(axes: string): Tensor;
  /** Reorders axes by name. */
  order(axes: string): Tensor;
  reshape(dims: readonly number[], axes?: string): Tensor;
  slice(axis: string | number, start: number, end: number): Tensor;
  broadcastTo(like: Tensor): Tensor;
  astype(dtype: DType): Tensor;
  stopGradient(): Tensor;
}

declare module "../core/tensor.ts" {
  interface Tensor extends TensorMethods {}
}

const methods: {
  [K in keyof TensorMethods]: (this: Tensor, ...args: Parameters<TensorMethods[K]>) => Tensor;
} = {
  add(y) {
    return a.add(this, y);
  },
  sub(y) {
    return a.sub(this, y);
  },
  mul(y) {
    return a.mul(this, y);
  },
  div(y) {
    return a.div(this, y);
  },
  neg() {
    return a.neg(this);
  },
  exp() {
    return a.exp(this);
  },
  log() {
    return a.log(this);
  },
  sqrt() {
    return a.sqrt(this);
  },
  tanh() {
    return a.tanh(this);
  },
  square() {
    return a.square(this);
  },
  equal(y) {
    return a.equal(this, y);
  },
  less(y) {
    return a.less(this, y);
  },
  greaterEqual(y) {
    return a.greaterEqual(this, y);
  },
  sum(axes) {
    return r.sum(this, axes);
  },
  mean(axes) {
    return r.mean(this, axes);
  },
  max(axes) {
    return r.max(this, axes);
  },
  as(axes) {
    return l.as(this, axes);
  },
  order(axes) {
    return l.order(this, axes);
  },
  reshape(dims, axes) {
    return l.reshape(this, dims, axes);
  },
  slice(axis, start, end) {
    return p.slice(this, axis, start, end);
  },
  broadcastTo(like) {
    return broadcastTo(this, like);
  },
  astype(dtype) {
    return a.astype(this, dtype);
  },
  stopGradient() {
    return stopGradient(this);
  },
};

for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    value: method,
    configurable: true,
    writable: true,
  });
}

/** @file Arithmetic as methods: `x.mul(y).sum("embed")`. Importing this file installs them. */

import type { DType } from "../core/dtype.ts";
import { Tensor } from "../core/tensor.ts";
import { stopGradient } from "../ops/stop-gradient.ts";
import { broadcastTo, type TensorLike } from "./align.ts";
import * as a from "./arithmetic.ts";
import type { Run } from "./cumulative.ts";
import * as c from "./cumulative.ts";
import * as l from "./layout.ts";
import * as p from "./pieces.ts";
import * as r from "./reduce.ts";
import type { Order } from "./sorting.ts";
import * as s from "./sorting.ts";

/** What every tensor can do. Each method is the function of the same name with `this` first. */
export interface TensorMethods {
  add(y: TensorLike): Tensor;
  sub(y: TensorLike): Tensor;
  mul(y: TensorLike): Tensor;
  div(y: TensorLike): Tensor;
  rem(y: TensorLike): Tensor;
  mod(y: TensorLike): Tensor;
  power(p: TensorLike): Tensor;
  maximum(y: TensorLike): Tensor;
  minimum(y: TensorLike): Tensor;
  equal(y: TensorLike): Tensor;
  notEqual(y: TensorLike): Tensor;
  less(y: TensorLike): Tensor;
  lessEqual(y: TensorLike): Tensor;
  greater(y: TensorLike): Tensor;
  greaterEqual(y: TensorLike): Tensor;
  abs(): Tensor;
  neg(): Tensor;
  exp(): Tensor;
  expm1(): Tensor;
  log(): Tensor;
  log1p(): Tensor;
  sqrt(): Tensor;
  rsqrt(): Tensor;
  reciprocal(): Tensor;
  square(): Tensor;
  sin(): Tensor;
  cos(): Tensor;
  tanh(): Tensor;
  erf(): Tensor;
  logistic(): Tensor;
  floor(): Tensor;
  ceil(): Tensor;
  round(): Tensor;
  isNaN(): Tensor;
  isFinite(): Tensor;
  clip(bounds: { readonly low?: TensorLike; readonly high?: TensorLike }): Tensor;
  sum(axes?: r.Axes, options?: r.Keep): Tensor;
  prod(axes?: r.Axes, options?: r.Keep): Tensor;
  mean(axes?: r.Axes, options?: r.Keep): Tensor;
  variance(axes?: r.Axes, options?: r.Spread): Tensor;
  std(axes?: r.Axes, options?: r.Spread): Tensor;
  max(axes?: r.Axes, options?: r.Keep): Tensor;
  min(axes?: r.Axes, options?: r.Keep): Tensor;
  any(axes?: r.Axes, options?: r.Keep): Tensor;
  all(axes?: r.Axes, options?: r.Keep): Tensor;
  logSumExp(axes?: r.Axes, options?: r.Keep): Tensor;
  argmax(axis?: string | number, options?: r.Keep): Tensor;
  argmin(axis?: string | number, options?: r.Keep): Tensor;
  cumsum(axis: string | number, run?: Run): Tensor;
  cumprod(axis: string | number, run?: Run): Tensor;
  sort(order?: Order): Tensor;
  argsort(order?: Order): Tensor;
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
  rem(y) {
    return a.rem(this, y);
  },
  mod(y) {
    return a.mod(this, y);
  },
  power(p) {
    return a.power(this, p);
  },
  maximum(y) {
    return a.maximum(this, y);
  },
  minimum(y) {
    return a.minimum(this, y);
  },
  equal(y) {
    return a.equal(this, y);
  },
  notEqual(y) {
    return a.notEqual(this, y);
  },
  less(y) {
    return a.less(this, y);
  },
  lessEqual(y) {
    return a.lessEqual(this, y);
  },
  greater(y) {
    return a.greater(this, y);
  },
  greaterEqual(y) {
    return a.greaterEqual(this, y);
  },
  abs() {
    return a.abs(this);
  },
  neg() {
    return a.neg(this);
  },
  exp() {
    return a.exp(this);
  },
  expm1() {
    return a.expm1(this);
  },
  log() {
    return a.log(this);
  },
  log1p() {
    return a.log1p(this);
  },
  sqrt() {
    return a.sqrt(this);
  },
  rsqrt() {
    return a.rsqrt(this);
  },
  reciprocal() {
    return a.reciprocal(this);
  },
  square() {
    return a.square(this);
  },
  sin() {
    return a.sin(this);
  },
  cos() {
    return a.cos(this);
  },
  tanh() {
    return a.tanh(this);
  },
  erf() {
    return a.erf(this);
  },
  logistic() {
    return a.logistic(this);
  },
  floor() {
    return a.floor(this);
  },
  ceil() {
    return a.ceil(this);
  },
  round() {
    return a.round(this);
  },
  isNaN() {
    return a.isNaNElement(this);
  },
  isFinite() {
    return a.isFiniteElement(this);
  },
  clip(bounds) {
    return a.clip(this, bounds);
  },
  sum(axes, options) {
    return r.sum(this, axes, options);
  },
  prod(axes, options) {
    return r.prod(this, axes, options);
  },
  mean(axes, options) {
    return r.mean(this, axes, options);
  },
  variance(axes, options) {
    return r.variance(this, axes, options);
  },
  std(axes, options) {
    return r.std(this, axes, options);
  },
  max(axes, options) {
    return r.max(this, axes, options);
  },
  min(axes, options) {
    return r.min(this, axes, options);
  },
  any(axes, options) {
    return r.any(this, axes, options);
  },
  all(axes, options) {
    return r.all(this, axes, options);
  },
  logSumExp(axes, options) {
    return r.logSumExp(this, axes, options);
  },
  argmax(axis, options) {
    return r.argmax(this, axis, options);
  },
  argmin(axis, options) {
    return r.argmin(this, axis, options);
  },
  cumsum(axis, run) {
    return c.cumsum(this, axis, run);
  },
  cumprod(axis, run) {
    return c.cumprod(this, axis, run);
  },
  sort(order) {
    return s.sort(this, order);
  },
  argsort(order) {
    return s.argsort(this, order);
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

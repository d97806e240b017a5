/** @file Convolution by the plain loop, summed in double precision. */

import { at, type NdArray, put, zeros } from "../core/ndarray.ts";
import { type Aval, dimOf, sizeOf } from "../core/shape.ts";
import type { ConvolveKernelParams, ConvolveParams } from "./convolution.ts";
import { axesOf, elementTable } from "./sliding-window.ts";

/** `y[n, o, p] = Σ x[n, c, i] w[o, c, k]`, or with the kernel transposed. */
export function evaluateConvolve(x: NdArray, w: NdArray, p: ConvolveParams, y: Aval): NdArray {
  const out = zeros(y);
  const window = w.dims.slice(2);
  const table = elementTable(axesOf(p, x.dims.slice(2), window));
  const [space, places, taps] = [spaceOf(x), spaceOf(y), spaceOf(w)];
  const [batch, channels, outs] = [dimOf(x, 0), dimOf(x, 1), dimOf(y, 1)];
  const [inGroup, outGroup] = [channels / p.groups, outs / p.groups];
  const weight = (o: number, c: number, k: number) => {
    // a transposed kernel stands as [in, out / groups, window…], from its last tap to its first
    const row = p.transposed
      ? (Math.floor(o / outGroup) * inGroup + c) * outGroup + (o % outGroup)
      : o * inGroup + c;
    return at(w, row * taps + (p.transposed ? taps - 1 - k : k));
  };
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outs; o++)
      for (let q = 0; q < places; q++) {
        let total = 0;
        const first = Math.floor(o / outGroup) * inGroup;
        for (let c = 0; c < inGroup; c++)
          for (let k = 0; k < taps; k++) {
            const i = table[q * taps + k] ?? -1;
            if (i >= 0) total += at(x, (n * channels + first + c) * space + i) * weight(o, c, k);
          }
        put(out, (n * outs + o) * places + q, total);
      }
  return out;
}

/** `w[o, c, k] = Σ x[n, c, i] y[n, o, p]` over n and p. */
export function evaluateKernel(x: NdArray, y: NdArray, p: ConvolveKernelParams, w: Aval): NdArray {
  const out = zeros(w);
  const table = elementTable(axesOf(p, x.dims.slice(2), p.taps));
  const [space, places, taps] = [spaceOf(x), spaceOf(y), spaceOf(w)];
  const [batch, channels, outs] = [dimOf(x, 0), dimOf(x, 1), dimOf(y, 1)];
  const [inGroup, outGroup] = [channels / p.groups, outs / p.groups];
  for (let o = 0; o < outs; o++)
    for (let c = 0; c < inGroup; c++)
      for (let k = 0; k < taps; k++) {
        let total = 0;
        const channel = Math.floor(o / outGroup) * inGroup + c;
        for (let n = 0; n < batch; n++)
          for (let q = 0; q < places; q++) {
            const i = table[q * taps + k] ?? -1;
            if (i < 0) continue;
            total +=
              at(x, (n * channels + channel) * space + i) * at(y, (n * outs + o) * places + q);
          }
        put(out, (o * inGroup + c) * taps + k, total);
      }
  return out;
}

/** Elements of one channel. */
function spaceOf({ dims }: { readonly dims: readonly number[] }): number {
  return sizeOf(dims.slice(2));
}

/** @file What is used of fft.js, which brings no types. */

declare module "fft.js" {
  /** Arrays hold re, im, re, im … of `size` complex numbers. */
  class FFT {
    /** @param size a power of two, 2 at least */
    constructor(size: number);
    /** out_k = Σ in_n e^{−2πikn/size}; `out` must not be `data`. */
    transform(out: Float64Array, data: Float64Array): void;
    /** out_n = (1/size) Σ in_k e^{2πikn/size}. */
    inverseTransform(out: Float64Array, data: Float64Array): void;
  }
  export = FFT;
}

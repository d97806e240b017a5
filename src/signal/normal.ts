/** @file The normal distribution. */

/** Beyond it the tail is below the last digit of 1. */
const END = 8.3;

/** Φ(x), to 1e−15: ½ + φ(x)(x + x³/3 + x⁵/(3·5) + …), Marsaglia 2004. */
export function normalCumulative(x: number): number {
  if (x > END) return 1;
  if (x < -END) return 0;
  let [term, sum, before] = [x, x, 0];
  for (let odd = 3; sum !== before; odd += 2) {
    before = sum;
    term *= (x * x) / odd;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/**
 * @file Normal windows: of area 1, so that their transform is 1 at zero and below 1 elsewhere.
 *
 * `u` is the time times the kernel's scale μ, `v` the distance in frequency over μ; both are without unit.
 * σ is the standard deviation of the Gaussian. The others are sums of cosines on |u| ≤ 5σ, as in the public
 * NTFT code, where a window of length l has σ = l/10.
 */

import { SignalError, suggestion } from "../core/errors.ts";
import { normalCumulative } from "./normal.ts";

export const WINDOWS = [
  "gaussian",
  "hann",
  "blackman",
  "blackman-harris",
  "nuttall",
  "rife-vincent",
] as const;
export type WindowName = (typeof WINDOWS)[number];

export interface NormalWindow {
  readonly name: WindowName;
  readonly sigma: number;
  /** w(u), of area 1 */
  density(u: number): number;
  /** ŵ(v) = ∫ w(u) e^{−ivu} du, real since w is even */
  transform(v: number): number;
  /** ŵ(v + i·decay): what a line that decays meets */
  transformAt(v: number, decay: number): { readonly re: number; readonly im: number };
  /** Area up to u */
  cumulative(u: number): number;
  /** No area worth counting (1e−16) beyond ±reach */
  readonly reach: number;
  /** ŵ is below 1e−15 beyond ±band; infinite for windows that end in time */
  readonly band: number;
}

/** a_0 + a_1 cos x + a_2 cos 2x …, x = 2πu/l, from −l/2 to l/2. */
const COSINES: Readonly<Record<Exclude<WindowName, "gaussian">, readonly number[]>> = {
  hann: [0.5, 0.5],
  blackman: [0.42, 0.5, 0.08],
  // Harris 1978, four terms, −92 dB
  "blackman-harris": [0.35875, 0.48829, 0.14128, 0.01168],
  // Nuttall 1981, four terms, −98 dB
  nuttall: [0.3635819, 0.4891775, 0.1365995, 0.0106411],
  // Rife and Vincent 1970, class I of order 3: cos⁶(x/2), which ends most smoothly
  "rife-vincent": [10, 15, 6, 1],
};

/** @param sigma in radians of the wave for the wavelet kernel @throws SignalError for a σ that is none */
export function normalWindow(name: WindowName, sigma: number): NormalWindow {
  if (!(sigma > 0 && Number.isFinite(sigma)))
    throw new SignalError("SIGNAL-01", `window ${name}: sigma ${sigma} is no width.`, [
      ["fix", "give a sigma above 0, in radians; 6 to 12 are usual"],
    ]);
  return name === "gaussian" ? gaussian(sigma) : cosineSum(name, sigma);
}

/** @throws SignalError for a window that is none, with the nearest */
export function parseWindow(text: string): WindowName {
  const name = WINDOWS.find((each) => each === text);
  if (name !== undefined) return name;
  throw new SignalError("SIGNAL-01", `window ${text} is none.`, [
    ["fix", suggestion(text, WINDOWS)],
  ]);
}

function gaussian(sigma: number): NormalWindow {
  const peak = 1 / (sigma * Math.sqrt(2 * Math.PI));
  return {
    name: "gaussian",
    sigma,
    density: (u) => peak * Math.exp(-0.5 * (u / sigma) ** 2),
    transform: (v) => Math.exp(-0.5 * (sigma * v) ** 2),
    transformAt(v, decay) {
      const size = Math.exp(-0.5 * sigma ** 2 * (v * v - decay * decay));
      const angle = -(sigma ** 2) * v * decay;
      return { re: size * Math.cos(angle), im: size * Math.sin(angle) };
    },
    cumulative: (u) => normalCumulative(u / sigma),
    reach: 8.4 * sigma,
    band: 8.4 / sigma,
  };
}

function cosineSum(name: Exclude<WindowName, "gaussian">, sigma: number): NormalWindow {
  const [mean = 1, ...rest] = COSINES[name];
  const waves = rest.map((a) => a / mean);
  const length = 10 * sigma;
  const transformAt: NormalWindow["transformAt"] = (v, decay) => {
    const [x, y] = [(v * length) / 2, (decay * length) / 2];
    let { re, im } = sinc(x, y);
    waves.forEach((b, at) => {
      for (const shift of [-Math.PI, Math.PI]) {
        const side = sinc(x + (at + 1) * shift, y);
        re += (b / 2) * side.re;
        im += (b / 2) * side.im;
      }
    });
    return { re, im };
  };
  return {
    name,
    sigma,
    density(u) {
      if (Math.abs(u) > length / 2) return 0;
      const angle = (2 * Math.PI * u) / length;
      return waves.reduce((sum, b, at) => sum + b * Math.cos((at + 1) * angle), 1) / length;
    },
    transform: (v) => transformAt(v, 0).re,
    transformAt,
    cumulative(u) {
      if (Math.abs(u) >= length / 2) return u > 0 ? 1 : 0;
      const angle = (2 * Math.PI * u) / length;
      const turns = waves.reduce(
        (sum, b, at) => sum + (b / (at + 1)) * Math.sin((at + 1) * angle),
        0,
      );
      return 0.5 + (angle + turns) / (2 * Math.PI);
    },
    reach: length / 2,
    band: Number.POSITIVE_INFINITY,
  };
}

/** sin z / z, z = x + iy */
function sinc(x: number, y: number): { re: number; im: number } {
  const square = x * x + y * y;
  // The next term of the series, z⁴/120, is below the last digit.
  if (square < 1e-7) return { re: 1 - (x * x - y * y) / 6, im: (-x * y) / 3 };
  const [re, im] = [Math.sin(x) * Math.cosh(y), Math.cos(x) * Math.sinh(y)];
  return { re: (re * x + im * y) / square, im: (im * x - re * y) / square };
}

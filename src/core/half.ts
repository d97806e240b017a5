/** @file The two 16-bit floats as bit patterns: JavaScript has no arrays of them that every engine takes. */

/** A 16-bit float: sign, exponent, fraction. */
interface HalfFormat {
  readonly fractionBits: number;
  /** Exponent of the smallest normal number. */
  readonly smallest: number;
  /** Largest biased exponent, which stands for infinities and NaN. */
  readonly special: number;
}

export type HalfName = "float16" | "bfloat16";

const FORMATS: Readonly<Record<HalfName, HalfFormat>> = {
  /** IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
  float16: { fractionBits: 10, smallest: -14, special: 31 },
  /** The upper half of a float32: 8 bits of exponent, 7 of fraction. */
  bfloat16: { fractionBits: 7, smallest: -126, special: 255 },
};

/** The number that a bit pattern stands for. */
export function fromHalf(format: HalfName, bits: number): number {
  const { fractionBits, smallest, special } = FORMATS[format];
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >>> fractionBits;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (exponent === special) return fraction === 0 ? sign * Infinity : NaN;
  const implied = exponent === 0 ? 0 : 1 << fractionBits;
  return sign * (implied + fraction) * 2 ** (smallest - fractionBits + Math.max(exponent, 1) - 1);
}

const probe = new DataView(new ArrayBuffer(8));

/** The nearest bit pattern; ties go to the even one, what is too large becomes infinite. */
export function toHalf(format: HalfName, value: number): number {
  const { fractionBits, smallest, special } = FORMATS[format];
  probe.setFloat64(0, value);
  const high = probe.getUint32(0);
  const sign = (high >>> 16) & 0x8000;
  const infinite = sign | (special << fractionBits);
  if (Number.isNaN(value)) return infinite | (1 << (fractionBits - 1));
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return infinite;
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, smallest);
  // In units of the last place the division is exact, so that one rounding decides.
  const units = roundToEven(magnitude / 2 ** (exponent - fractionBits));
  // A normal number has its leading one at bit `fractionBits`, which counts the exponent up by itself.
  const bits = ((exponent - smallest) << fractionBits) + units;
  return bits >= special << fractionBits ? infinite : sign | bits;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

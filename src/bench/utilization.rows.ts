/** @file Runs whose utilisation somebody measured, and those of GSPMD's paper, of which only a range is certain. */

/** A preset on a mesh, and what is known of it. */
export interface UtilizationRow {
  readonly preset: string;
  readonly device: string;
  readonly mesh: string;
  /** Share of the peak that the work of 6 FLOPs per parameter and token makes; null where none is public. */
  readonly measured: number | null;
  /** What the measured share counts beside 6 FLOPs per parameter and token. */
  readonly counts: "parameters" | "parameters and attention";
  /** Sequences of a step, where they are not the preset's. */
  readonly batch?: number;
  readonly source: string;
}

const LINGVO = "Lingvo synthetic_packed_input.py, expected tokens/s; 6 FLOPs per parameter, ours";
const lingvo = (preset: string, mesh: string, measured: number): UtilizationRow => ({
  ...{ preset, device: "tpu-v3", mesh, measured, counts: "parameters" },
  source: LINGVO,
});

const maxtext = (
  preset: string,
  device: "tpu-v5p" | "tpu-v5e",
  mesh: string,
  measured: number,
  batch?: number,
): UtilizationRow => ({
  ...{ preset, device, mesh, measured, counts: "parameters and attention" },
  ...(batch === undefined ? {} : { batch }),
  source: `MaxText configs/${device.slice(4)}/README.md, one slice`,
});

const paper = (size: string, mesh: string, batch?: number): UtilizationRow => ({
  ...(batch === undefined ? {} : { batch }),
  ...{ preset: `gspmd-${size}`, device: "tpu-v3", mesh, measured: null },
  ...{ counts: "parameters" },
  source: "arXiv:2105.04663: 50 to 62 % on 128 to 2048 cores; batch unverified",
});

export const UTILIZATION_ROWS: readonly UtilizationRow[] = [
  lingvo("lingvo-128b-8x8", "x=8,y=16", 0.39),
  lingvo("lingvo-128b-16x16", "x=16,y=32", 0.47),
  lingvo("lingvo-128b-32x32", "x=32,y=64", 0.41),
  lingvo("lingvo-175b-32x32", "x=64,y=32", 0.43),
  lingvo("lingvo-1t-16x16", "x=16,y=32", 0.29),
  lingvo("lingvo-41b-16x16", "x=16,y=32", 0.45),
  lingvo("lingvo-41b-8x8", "x=8,y=16", 0.58),
  lingvo("lingvo-162b-16x16", "x=16,y=32", 0.42),
  maxtext("maxtext-v5p-32b", "tpu-v5p", "x=16,y=4", 0.7147),
  maxtext("maxtext-v5p-64b", "tpu-v5p", "x=16,y=4", 0.7031),
  maxtext("maxtext-v5p-128b", "tpu-v5p", "x=16,y=8", 0.6868),
  maxtext("maxtext-v5p-128b", "tpu-v5p", "x=32,y=8", 0.6883, 256),
  maxtext("maxtext-v5p-256b", "tpu-v5p", "x=64,y=8", 0.6709),
  maxtext("maxtext-v5p-512b", "tpu-v5p", "x=64,y=8", 0.6399),
  maxtext("maxtext-v5p-1024b", "tpu-v5p", "x=128,y=8", 0.5535),
  maxtext("maxtext-v5p-1024b", "tpu-v5p", "x=256,y=8", 0.648, 4096),
  maxtext("maxtext-v5e-16b", "tpu-v5e", "x=256,y=1", 0.611),
  maxtext("maxtext-v5e-32b", "tpu-v5e", "x=256,y=1", 0.6686),
  maxtext("maxtext-v5e-64b", "tpu-v5e", "x=256,y=1", 0.599),
  maxtext("maxtext-v5e-128b", "tpu-v5e", "x=16,y=16", 0.5606),
  paper("64b", "x=8,y=16"),
  paper("128b", "x=16,y=16"),
  paper("256b", "x=16,y=32"),
  paper("512b", "x=32,y=32"),
  paper("1t", "x=32,y=64"),
  paper("1t", "x=32,y=64", 256),
];

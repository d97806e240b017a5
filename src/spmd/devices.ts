/**
 * @file Accelerators by their public numbers. Rates are peaks; `roofline.ts` says what of them is reached.
 *
 * Sources: Google Cloud's TPU pages and the scaling book for TPUs; NVIDIA's data sheets and calculon's system files for
 * GPUs. A TPU v3 is its core, two of which make a chip.
 */

import { ShardingError, suggestion } from "../core/errors.ts";
import type { Torus } from "./torus.ts";

export interface Device {
  readonly name: string;
  /** Multiplications and additions of matrices in 16 bits, per second. */
  readonly flops: number;
  /** Bytes of memory. */
  readonly memory: number;
  /** Bytes of memory per second. */
  readonly bandwidth: number;
  /** Bytes per second of one link in one direction: between neighbouring chips of a torus, or into a switch. */
  readonly link: number;
  /** How chips hang together; null behind a switch. */
  readonly torus: Torus | null;
  /** Seconds until the first byte arrives. */
  readonly latency: number;
  readonly source: string;
}

const GIB = 2 ** 30;
const TPU_PAGES = "Google Cloud TPU pages; scaling book";
const pod = (cores: number, side: number): Torus => ({
  ...{ axes: 2, cores },
  closes: (chips) => chips === side,
});
const CUBES: Torus = { axes: 3, cores: 1, closes: (chips) => chips % 4 === 0 };
const SHEETS = "NVIDIA data sheet; calculon system files";

export const DEVICES: readonly Device[] = [
  {
    name: "tpu-v3",
    ...{ flops: 61.5e12, memory: 16 * GIB, bandwidth: 450e9 },
    ...{ link: 100e9, torus: pod(2, 32), latency: 1e-6, source: `${TPU_PAGES}; half a chip` },
  },
  {
    name: "tpu-v4",
    ...{ flops: 275e12, memory: 32 * GIB, bandwidth: 1200e9 },
    ...{ link: 45e9, torus: CUBES, latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "tpu-v5e",
    ...{ flops: 197e12, memory: 16 * GIB, bandwidth: 819e9 },
    ...{ link: 45e9, torus: pod(1, 16), latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "tpu-v5p",
    ...{ flops: 459e12, memory: 95 * GIB, bandwidth: 2765e9 },
    ...{ link: 90e9, torus: CUBES, latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "v100",
    ...{ flops: 125e12, memory: 16e9, bandwidth: 900e9 },
    ...{
      link: 150e9,
      torus: null,
      latency: 1e-5,
      source: "NVIDIA data sheet; link unverified",
    },
  },
  {
    name: "a100",
    ...{ flops: 312e12, memory: 80e9, bandwidth: 2039e9 },
    ...{ link: 300e9, torus: null, latency: 1e-5, source: SHEETS },
  },
  {
    name: "h100",
    ...{ flops: 989e12, memory: 80e9, bandwidth: 3350e9 },
    ...{ link: 450e9, torus: null, latency: 2e-6, source: SHEETS },
  },
];

/** @throws ShardingError for a device that is not in the list */
export function deviceNamed(name: string): Device {
  const device = DEVICES.find((each) => each.name === name);
  if (device !== undefined) return device;
  throw new ShardingError("SHARD-01", `device: "${name}" is not known.`, [
    [
      "fix",
      suggestion(
        name,
        DEVICES.map((each) => each.name),
      ),
    ],
  ]);
}

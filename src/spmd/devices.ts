/**
 * @file Accelerators by their public numbers. Rates are peaks; `roofline.ts` says what of them is reached.
 *
 * Sources: Google Cloud's TPU pages and the scaling book for TPUs; NVIDIA's data sheets and calculon's system files for
 * GPUs. A TPU v3 is its core, two of which make a chip.
 */

import { ShardingError, suggestion } from "../core/errors.ts";

export interface Device {
  readonly name: string;
  /** Multiplications and additions of matrices in 16 bits, per second. */
  readonly flops: number;
  /** Bytes of memory. */
  readonly memory: number;
  /** Bytes of memory per second. */
  readonly bandwidth: number;
  /** Bytes per second that a device sends to a neighbour, along one axis of the mesh, in one direction. */
  readonly link: number;
  /** Rings on a torus send both ways round. */
  readonly bothWays: boolean;
  /** Seconds until the first byte arrives. */
  readonly latency: number;
  readonly source: string;
}

const GIB = 2 ** 30;
const TPU_PAGES = "Google Cloud TPU pages; scaling book";
const SHEETS = "NVIDIA data sheet; calculon system files";

export const DEVICES: readonly Device[] = [
  {
    name: "tpu-v3",
    ...{ flops: 61.5e12, memory: 16 * GIB, bandwidth: 450e9 },
    ...{ link: 50e9, bothWays: true, latency: 1e-6, source: `${TPU_PAGES}; half a chip` },
  },
  {
    name: "tpu-v4",
    ...{ flops: 275e12, memory: 32 * GIB, bandwidth: 1200e9 },
    ...{ link: 45e9, bothWays: true, latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "tpu-v5e",
    ...{ flops: 197e12, memory: 16 * GIB, bandwidth: 819e9 },
    ...{ link: 45e9, bothWays: true, latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "tpu-v5p",
    ...{ flops: 459e12, memory: 95 * GIB, bandwidth: 2765e9 },
    ...{ link: 90e9, bothWays: true, latency: 1e-6, source: TPU_PAGES },
  },
  {
    name: "v100",
    ...{ flops: 125e12, memory: 16e9, bandwidth: 900e9 },
    ...{
      link: 150e9,
      bothWays: false,
      latency: 1e-5,
      source: "NVIDIA data sheet; link unverified",
    },
  },
  {
    name: "a100",
    ...{ flops: 312e12, memory: 80e9, bandwidth: 2039e9 },
    ...{ link: 300e9, bothWays: false, latency: 1e-5, source: SHEETS },
  },
  {
    name: "h100",
    ...{ flops: 989e12, memory: 80e9, bandwidth: 3350e9 },
    ...{ link: 450e9, bothWays: false, latency: 2e-6, source: SHEETS },
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

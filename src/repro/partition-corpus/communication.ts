/**
 * @file Programs whose bytes under XLA's partitioner are known, and the least that we know possible.
 *
 * `recorded` was read from the optimised HLO of jaxlib 0.10.2 on CPU, where an all-reduce that is only sliced stays an
 * all-reduce; `best` is worked out by hand. Bytes sent from each device by ring algorithms, float32.
 */

import type { PartitionCase } from "./case.ts";
import { caseNamed } from "./corpus.ts";

export interface CommunicationRow {
  readonly label: string;
  readonly one: PartitionCase;
  readonly recorded: number;
  readonly best: number;
  /** How the best is reached. */
  readonly how: string;
}

const TABLE: readonly (readonly [
  label: string,
  name: string,
  recorded: number,
  best: number,
  how: string,
])[] = [
  ["product, summed axis split → whole", "einsum/mk,kn [-, x] · [x, -] → [-, -] on x=4", 18432, 18432, "AR"],
  ["product, summed axis split → rows", "einsum/mk,kn [-, x] · [x, -] → [x, -] on x=4", 18432, 9216, "RS"],
  ["2D [x, y] · [y, -] → [x, -]", "einsum/mk,kn [x, y] · [y, -] → [x, -] on x=2,y=4", 9216, 9216, "AR over y"],
  ["2D [x, y] · [x, y] → [x, y]", "einsum/mk,kn [x, y] · [x, y] → [x, y] on x=2,y=4", 3840, 3840, "AG of both"],
  ["2D [x, y] · [y, x] → [x, y]", "einsum/64·48·32 mk,kn [x, y] · [y, x] → [x, y] on x=2,y=4", 6912, 3840, "AG of the weight, RS over y"],
  ["rows → columns", "reshard/64×32 [x, -] → [-, x] on x=4", 1536, 1536, "A2A"],
  ["2D [x, y] → [y, x]", "reshard/64×32 [x, y] → [y, x] on x=2,y=4", 1536, 1536, "A2A of half an axis, CP"],
  ["[y, -, x] → [-, x+y, -]", "reshard/16×16×16 [y, -, x] → [-, x+y, -] on x=4,y=2", 14336, 2560, "A2A of x, A2A of y"],
  ["reverse 16", "piece/reverse", 16, 16, "CP"],
  ["roll 16 by 1", "piece/roll by 1", 4, 4, "CP of one"],
  ["concatenate 8 + 8", "piece/concatenate along the split axis", 48, 16, "halo"],
  ["cumsum of 16", "order/cumsum along the split axis", 48, 12, "AG of the shards' totals"],
  ["sort 8 × 16", "order/sort 8 × 16 along the split axis", 192, 192, "A2A, sort, A2A"],
  ["2 largest of 16", "order/2 largest of 16, split", 384, 384, "AG of 2 values and 2 places of each"],
  ["10 rows of a split table", "gather/10 rows, table by rows", 480, 480, "mask, AR"],
  ["12 rows, ids split", "gather/12 rows, table by rows, ids split", 612, 324, "AG of ids, RS of rows"],
  ["dynamic slice of 2", "dynamic/slice of 2 → whole", 48, 12, "mask, AR of 2"],
  ["dynamic update of 2", "dynamic/update of 2", 48, 0, "each device its own part"],
  ["dynamic update of 1", "dynamic/update of 1", 0, 0, "its owner writes"],
  ["softmax along the split axis", "norm/softmax along its split axis", 192, 192, "AR of maxima, AR of sums"],
  ["layer norm along the split axis", "norm/layer norm of 16 64 [-, x] on x=4", 288, 192, "AR of sums and squares"],
  ["dispatch, groups to experts", "einsum/dispatch gsec,gsm [x, -, -, -] · [x, -, -] → [x, -, -, -] on x=4", 384, 384, "A2A"],
  ["MLP step, data parallel", "mlp/DP step", 196608, 196608, "AR of both gradients"],
  ["MLP step, Megatron", "mlp/Megatron step", 49152, 49152, "AR of the result"],
  ["MLP step, dp 2 × tp 4", "mlp/dp 2 × tp 4 step", 57344, 57344, "AR over y, AR over x"],
  ["MLP step, 2D finalised", "mlp/2D finalised step", 106496, 69632, "AG of weights, X, dY; RS of Y, dW"],
  ["MLP step, ZeRO-3", "mlp/ZeRO-3 by annotation step", 374784, 196608, "2 AG, 2 RS"],
]; // biome-ignore format: rows are read side by side

export const COMMUNICATION: readonly CommunicationRow[] = TABLE.map(
  ([label, name, recorded, best, how]) => ({ label, one: caseNamed(name), recorded, best, how }),
);

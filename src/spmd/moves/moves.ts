/** @file Which ops know how to run where a factor is split along which data moves. All others gather it first. */

import type { Op } from "../../core/op.ts";
import { argMaxOp } from "../../ops/arg-max.ts";
import { attendOp } from "../../ops/attention.ts";
import { convolveKernelOp, convolveOp } from "../../ops/convolution.ts";
import { iotaOp } from "../../ops/creation.ts";
import { cumsumOp } from "../../ops/cumulative.ts";
import { dynamicSliceOp, dynamicUpdateSliceOp } from "../../ops/dynamic.ts";
import { gatherOp, scatterAddOp } from "../../ops/indexing.ts";
import { reshapeOp, reverseOp } from "../../ops/layout.ts";
import { layerNormOp, rmsNormOp } from "../../ops/normalisation.ts";
import { concatenateOp, padOp, sliceOp, splitOp } from "../../ops/pieces.ts";
import { windowPickOp, windowPutOp } from "../../ops/pool.places.ts";
import { windowArgMaxOp, windowMaxOp, windowSumOp } from "../../ops/pool.ts";
import { prodOp } from "../../ops/reduce.ts";
import { rollOp } from "../../ops/roll.ts";
import { scatterMaxOp, scatterMinOp, scatterSetOp } from "../../ops/scatter.ts";
import { logSoftmaxOp, logSumExpOp, softmaxOp } from "../../ops/softmax.ts";
import { topKOp } from "../../ops/top-k.ts";
import { dynamicSliceMoves, dynamicUpdateSliceMoves } from "./boxes.ts";
import { attendSplit, logSoftmaxSplit, logSumExpSplit, softmaxSplit } from "./exponentials.ts";
import { iotaSplit } from "./iota.ts";
import type { MoveRule } from "./move-rule.ts";
import { layerNormSplit, rmsNormSplit } from "./norms.ts";
import { windowPickMoves, windowPutMoves } from "./places.ts";
import { argMaxSplit, cumsumSplit, prodSplit, topKSplit } from "./reductions.ts";
import { reshapeMoves } from "./reshapes.ts";
import { gatherRows, scatterAddRows, scatterRows } from "./rows.ts";
import {
  concatenateMoves,
  padMoves,
  reverseMoves,
  rollMoves,
  sliceMoves,
  splitMoves,
} from "./slices.ts";
import {
  convolveKernelMoves,
  convolveMoves,
  windowArgMaxMoves,
  windowMaxMoves,
  windowSumMoves,
} from "./windows.ts";

const MOVE_RULES: ReadonlyMap<unknown, MoveRule> = new Map<unknown, MoveRule>([
  [iotaOp, iotaSplit],
  [prodOp, prodSplit],
  [argMaxOp, argMaxSplit],
  [cumsumOp, cumsumSplit],
  [topKOp, topKSplit],
  [softmaxOp, softmaxSplit],
  [logSoftmaxOp, logSoftmaxSplit],
  [logSumExpOp, logSumExpSplit],
  [attendOp, attendSplit],
  [rmsNormOp, rmsNormSplit],
  [layerNormOp, layerNormSplit],
  [gatherOp, gatherRows],
  [scatterAddOp, scatterAddRows],
  [scatterSetOp, scatterRows],
  [scatterMaxOp, scatterRows],
  [scatterMinOp, scatterRows],
  [reshapeOp, reshapeMoves],
  [sliceOp, sliceMoves],
  [padOp, padMoves],
  [reverseOp, reverseMoves],
  [rollOp, rollMoves],
  [concatenateOp, concatenateMoves],
  [splitOp, splitMoves],
  [convolveOp, convolveMoves],
  [convolveKernelOp, convolveKernelMoves],
  [windowSumOp, windowSumMoves],
  [windowMaxOp, windowMaxMoves],
  [windowArgMaxOp, windowArgMaxMoves],
  [windowPickOp, windowPickMoves],
  [windowPutOp, windowPutMoves],
  [dynamicSliceOp, dynamicSliceMoves],
  [dynamicUpdateSliceOp, dynamicUpdateSliceMoves],
]);

export function moveRuleOf(op: Op): MoveRule | undefined {
  return MOVE_RULES.get(op);
}

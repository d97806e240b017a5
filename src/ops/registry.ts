/** @file The list of ops. Nothing else registers one. */

import type { Op } from "../core/op.ts";
import * as activations from "./activations.ts";
import { argMaxOp } from "./arg-max.ts";
import * as arithmetic from "./arithmetic.ts";
import { attendOp } from "./attention.ts";
import * as bits from "./bits.ts";
import * as device from "./collectives.device.ts";
import * as collectives from "./collectives.ts";
import { contractOp } from "./contract.ts";
import { checkpointOp } from "./control/checkpoint.ts";
import { customJvpOp, customVjpOp, linearCallOp } from "./control/custom.ts";
import { manualOp } from "./control/manual.ts";
import { scanOp } from "./control/scan.ts";
import { switchOp } from "./control/switch.ts";
import { whileOp } from "./control/while.ts";
import * as convolution from "./convolution.ts";
import * as creation from "./creation.ts";
import { cumsumOp } from "./cumulative.ts";
import * as dynamic from "./dynamic.ts";
import * as errorFunction from "./error-function.ts";
import * as exponential from "./exponential.ts";
import * as extremes from "./extremes.ts";
import * as fft from "./fft.ts";
import * as hyperbolic from "./hyperbolic.ts";
import * as indexing from "./indexing.ts";
import * as layout from "./layout.ts";
import * as linalg from "./linalg.ts";
import * as logic from "./logic.ts";
import * as magnitude from "./magnitude.ts";
import * as normalisation from "./normalisation.ts";
import * as pieces from "./pieces.ts";
import * as places from "./pool.places.ts";
import * as pool from "./pool.ts";
import { raggedDotOp, raggedOuterOp } from "./ragged.ts";
import { prodOp } from "./reduce.ts";
import { rollOp } from "./roll.ts";
import * as rounding from "./rounding.ts";
import * as scatter from "./scatter.ts";
import { shardOp } from "./shard.ts";
import * as softmax from "./softmax.ts";
import { argsortOp } from "./sort.ts";
import { stopGradientOp } from "./stop-gradient.ts";
import { sumOp } from "./sum.ts";
import { topKOp } from "./top-k.ts";
import * as trigonometric from "./trigonometric.ts";

/** Every op, in the order of the families. */
export const OPS: readonly Op[] = [
  arithmetic.negOp,
  arithmetic.addOp,
  arithmetic.subOp,
  arithmetic.mulOp,
  arithmetic.divOp,
  arithmetic.remOp,
  magnitude.absOp,
  magnitude.signOp,
  magnitude.maximumOp,
  magnitude.minimumOp,
  exponential.expOp,
  exponential.expm1Op,
  exponential.logOp,
  exponential.log1pOp,
  exponential.sqrtOp,
  exponential.rsqrtOp,
  exponential.cbrtOp,
  exponential.logisticOp,
  exponential.powOp,
  trigonometric.sinOp,
  trigonometric.cosOp,
  trigonometric.tanOp,
  trigonometric.asinOp,
  trigonometric.acosOp,
  trigonometric.atanOp,
  trigonometric.atan2Op,
  hyperbolic.sinhOp,
  hyperbolic.coshOp,
  hyperbolic.tanhOp,
  hyperbolic.asinhOp,
  hyperbolic.acoshOp,
  hyperbolic.atanhOp,
  errorFunction.erfOp,
  errorFunction.erfInvOp,
  rounding.floorOp,
  rounding.ceilOp,
  rounding.roundOp,
  stopGradientOp,
  shardOp,
  logic.isFiniteOp,
  logic.equalOp,
  logic.lessOp,
  logic.greaterEqualOp,
  bits.notOp,
  bits.andOp,
  bits.orOp,
  bits.xorOp,
  bits.shiftLeftOp,
  bits.shiftRightOp,
  logic.selectOp,
  logic.convertOp,
  creation.fullOp,
  creation.literalOp,
  creation.iotaOp,
  creation.broadcastOp,
  layout.reshapeOp,
  layout.transposeOp,
  layout.reverseOp,
  rollOp,
  pieces.sliceOp,
  pieces.padOp,
  pieces.concatenateOp,
  pieces.splitOp,
  contractOp,
  raggedDotOp,
  raggedOuterOp,
  convolution.convolveOp,
  convolution.convolveKernelOp,
  pool.windowSumOp,
  pool.windowMaxOp,
  pool.windowArgMaxOp,
  places.windowPickOp,
  places.windowPutOp,
  sumOp,
  prodOp,
  extremes.maxOp,
  extremes.minOp,
  argMaxOp,
  cumsumOp,
  indexing.gatherOp,
  indexing.scatterAddOp,
  topKOp,
  scatter.scatterSetOp,
  scatter.scatterMaxOp,
  scatter.scatterMinOp,
  dynamic.dynamicSliceOp,
  dynamic.dynamicUpdateSliceOp,
  fft.fftOp,
  fft.fftOfRealOp,
  fft.fftToRealOp,
  linalg.triangularSolveOp,
  linalg.solveOp,
  linalg.choleskyOp,
  linalg.slogdetOp,
  argsortOp,
  softmax.softmaxOp,
  softmax.logSoftmaxOp,
  softmax.logSumExpOp,
  attendOp,
  normalisation.rmsNormOp,
  normalisation.layerNormOp,
  activations.geluOp,
  activations.geluErfOp,
  activations.softplusOp,
  scanOp,
  whileOp,
  switchOp,
  checkpointOp,
  manualOp,
  customJvpOp,
  customVjpOp,
  linearCallOp,
  collectives.allReduceOp,
  collectives.allGatherOp,
  collectives.reduceScatterOp,
  collectives.allToAllOp,
  device.collectivePermuteOp,
  device.partitionIdOp,
] as unknown as readonly Op[];

/** Ops by name, for parsing programs. */
export const OPS_BY_NAME: ReadonlyMap<string, Op> = new Map(OPS.map((op) => [op.name, op]));

/** @file The list of ops. Nothing else registers one. */

import type { Op } from "../core/op.ts";
import * as activations from "./activations.ts";
import { attendOp } from "./attention.ts";
import { contractOp } from "./contract.ts";
import { checkpointOp } from "./control/checkpoint.ts";
import { customJvpOp, customVjpOp, linearCallOp } from "./control/custom.ts";
import { scanOp } from "./control/scan.ts";
import { switchOp } from "./control/switch.ts";
import { whileOp } from "./control/while.ts";
import * as creation from "./creation.ts";
import * as dynamic from "./dynamic.ts";
import * as elementwise from "./elementwise.ts";
import * as fft from "./fft.ts";
import * as indexing from "./indexing.ts";
import * as layout from "./layout.ts";
import * as linalg from "./linalg.ts";
import * as logic from "./logic.ts";
import * as normalisation from "./normalisation.ts";
import * as pieces from "./pieces.ts";
import { raggedDotOp, raggedOuterOp } from "./ragged.ts";
import * as reduce from "./reduce.ts";
import * as scatter from "./scatter.ts";
import * as softmax from "./softmax.ts";

/** Every op, in the order of the families. */
export const OPS: readonly Op[] = [
  elementwise.negOp,
  elementwise.expOp,
  elementwise.logOp,
  elementwise.sqrtOp,
  elementwise.rsqrtOp,
  elementwise.tanhOp,
  elementwise.logisticOp,
  elementwise.absOp,
  elementwise.signOp,
  elementwise.floorOp,
  elementwise.isFiniteOp,
  elementwise.notOp,
  elementwise.stopGradientOp,
  elementwise.addOp,
  elementwise.subOp,
  elementwise.mulOp,
  elementwise.divOp,
  elementwise.maximumOp,
  elementwise.minimumOp,
  logic.equalOp,
  logic.lessOp,
  logic.greaterEqualOp,
  logic.andOp,
  logic.orOp,
  logic.xorOp,
  logic.shiftLeftOp,
  logic.shiftRightOp,
  logic.selectOp,
  logic.convertOp,
  creation.fullOp,
  creation.literalOp,
  creation.iotaOp,
  creation.broadcastOp,
  layout.reshapeOp,
  layout.transposeOp,
  layout.reverseOp,
  pieces.sliceOp,
  pieces.padOp,
  pieces.concatenateOp,
  pieces.splitOp,
  contractOp,
  raggedDotOp,
  raggedOuterOp,
  reduce.sumOp,
  reduce.maxOp,
  reduce.cumsumOp,
  indexing.gatherOp,
  indexing.scatterAddOp,
  indexing.topKOp,
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
  customJvpOp,
  customVjpOp,
  linearCallOp,
] as unknown as readonly Op[];

/** Ops by name, for parsing programs. */
export const OPS_BY_NAME: ReadonlyMap<string, Op> = new Map(OPS.map((op) => [op.name, op]));

/** @file What `train` says: to a person on stderr, to a program as lines of JSON. */

import { formatCount, formatSeconds } from "../core/text.ts";
import { describeData } from "../data/training-data.ts";
import { type ConfigChange, showValue } from "../train/config-changes.ts";
import type { Evaluation } from "../train/evaluator.ts";
import type { LoopResult, StepProgress } from "../train/loop.ts";
import { describeTraining } from "../train/recipe.ts";
import type { TrainPlan } from "./train-plan.ts";

/** Up to 76 characters to the next space; a longer word stays whole. */
const SAMPLE_LINE = /\S.{0,75}(?=\s|$)|\S+/gu;

/** Lines before the first step. */
export function showPlan(plan: TrainPlan, folder: string): readonly string[] {
  const { config, data } = plan;
  const { parameters, activatedParameters } = config.model.facts();
  return [
    `${config.preset}: ${formatCount(parameters)} parameters, ${formatCount(activatedParameters)} used by each token`,
    `training: ${describeTraining(config.model.training)}`,
    ...config.differences.map(
      ({ key, before, now }) => `${key}: ${showValue(now)} (preset ${showValue(before)})`,
    ),
    `data: ${describeData(data)}; run folder: ${folder}`,
  ];
}

export function showChange({ key, before, now }: ConfigChange): string {
  return `${key} was ${showValue(before)}, now ${showValue(now)}`;
}

export function showEvaluation(step: number, { bitsPerByte }: Evaluation, isBest: boolean): string {
  const best = isBest ? ", the best so far" : "";
  return `step ${step}: ${bitsPerByte.toFixed(3)} bits per byte on held-out text${best}`;
}

export function showSample(step: number, text: string): string {
  return `step ${step} writes\n\n${quote(text)}\n`;
}

export function showEnd(result: LoopResult, seconds: number, folder: string): string {
  const { step, reason, best } = result;
  const time = formatSeconds(seconds);
  if (reason === "interrupted")
    return `stopped after step ${step}; go on with: meshloom train --out ${folder} --resume`;
  if (reason === "patience")
    return `done: no better since step ${best?.step}; ${step} steps in ${time}`;
  return `done: ${step} steps in ${time}${reason === "time" ? ", the time is used up" : ""}`;
}

export function jsonStep(progress: StepProgress): object {
  const { step, loss, tokensPerSecond, gradientNorm, learningRate } = progress;
  return { step, loss, tokensPerSecond: Math.round(tokensPerSecond), gradientNorm, learningRate };
}

export function jsonEnd(result: LoopResult, seconds: number, folder: string): object {
  const { step, reason, finished, evaluation, best } = result;
  return {
    done: finished,
    reason,
    run: folder,
    step,
    seconds: Number(seconds.toFixed(1)),
    bitsPerByte: evaluation?.bitsPerByte ?? null,
    bestStep: best?.step ?? null,
  };
}

/** Indented, broken between words, and without control characters, which could move the cursor. */
function quote(text: string): string {
  return text
    .replace(/[^\P{Cc}\n]/gu, "\ufffd")
    .split("\n")
    .flatMap((line) => line.match(SAMPLE_LINE) ?? [""])
    .map((line) => `    ${line}`.trimEnd())
    .join("\n");
}

/**
 * @file Collectives: ops whose meaning spans devices.
 *
 * They stand in a per-device program: one program that D devices, numbered from 0, run in lockstep, each
 * on its own data. A collective is a record like any other, and says besides what it computes on all
 * devices together.
 */

import { EngineError, ShapeError } from "./errors.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "./lowering.ts";
import type { NdArray } from "./ndarray.ts";
import type { Each, Many, Op } from "./op.ts";
import { programsIn } from "./program.ts";
import type { Sample } from "./samples.ts";
import type { Aval } from "./shape.ts";
import { factorNames, rule } from "./sharding-rule.ts";

/** Device groups that talk among themselves: together they name 0 … D − 1, each number once. */
export type Groups = readonly (readonly number[])[];

/** What a collective says beyond an op: its meaning on all devices. */
export interface Together<P, I extends Many, O extends Many> {
  /** How many devices run the program that it stands in. */
  devices(params: P): number;
  /** Whether every device stands alone, so that one device can compute its own result. */
  alone(params: P): boolean;
  /** The outputs of every device from the inputs of every device, by device number. */
  together(
    inputs: readonly Each<I, NdArray>[],
    params: P,
    outputs: Each<O, Aval>,
  ): readonly Each<O, NdArray>[];
  /** Samples on several devices; each device draws inputs of its own. */
  deviceSamples(): readonly Sample<P>[];
}

export type CollectiveOp<P = unknown, I extends Many = Many, O extends Many = Many> = Op<P, I, O> &
  Together<P, I, O>;

/** What the record of one collective says of itself; `defineCollective` adds what all have in common. */
export type CollectiveRules<P, I extends Many, O extends Many> = Omit<
  CollectiveOp<P, I, O>,
  "evaluate" | "shard" | "lower"
> & {
  /** Axes that are cut or joined; along the others every element is by itself. */
  axes(params: P): readonly number[];
  /** The value where every device stands alone. */
  onnx(
    g: OnnxEmitter,
    inputs: Each<I, OnnxValue>,
    params: P,
    outputs: Each<O, Aval>,
  ): Each<O, OnnxValue>;
  stablehlo(
    h: HloEmitter,
    inputs: Each<I, HloValue>,
    params: P,
    outputs: Each<O, Aval>,
  ): Each<O, HloValue>;
};

/** A collective that one device came to while it computed by itself, inside a loop or a branch. */
export interface Question {
  readonly op: CollectiveOp;
  readonly params: unknown;
  readonly inputs: readonly NdArray[];
  readonly outputs: readonly Aval[];
}

let answering: ((question: Question) => readonly NdArray[]) | undefined;

/** Runs what one device computes by itself; its collectives ask `answer` rather than refuse. */
export function withAnswers<T>(
  answer: (question: Question) => readonly NdArray[],
  run: () => T,
): T {
  const before = answering;
  answering = answer;
  try {
    return run();
  } finally {
    answering = before;
  }
}

/** Completes the record of a collective. */
export function defineCollective<P, I extends Many, O extends Many>(
  rules: CollectiveRules<P, I, O>,
): CollectiveOp<P, I, O> {
  const { axes, onnx, stablehlo, ...own } = rules;
  const op: CollectiveOp<P, I, O> = {
    ...own,
    // Partitioning reads them only where users wrote them, and splits along other mesh axes than theirs.
    shard(inputs, outputs, params) {
      const whole = axes(params);
      const factors = (forms: readonly unknown[]) =>
        ranks(forms).map((rank) =>
          factorNames(rank).map((factor, axis) => (whole.includes(axis) ? null : factor)),
        );
      return rule(params, factors(inputs), factors(outputs));
    },
    evaluate(inputs, params, outputs) {
      if (!rules.alone(params) && answering !== undefined) {
        const question = { op, params, inputs, outputs } as unknown as Question;
        return answering(question) as unknown as Each<O, NdArray>;
      }
      refuseOneDevice(rules, params);
      const devices = Array.from({ length: rules.devices(params) }, () => inputs);
      return rules.together(devices, params, outputs)[0] ?? ([] as unknown as Each<O, NdArray>);
    },
    lower: {
      onnx(g, inputs, params, { outputs }) {
        refuseOneDevice(rules, params);
        return onnx(g, inputs, params, outputs);
      },
      stablehlo,
    },
  };
  return op;
}

function ranks(forms: readonly unknown[]): number[] {
  return (forms as readonly Aval[]).map(({ dims }) => dims.length);
}

/** Whether an op's meaning spans devices. */
export function isCollective(op: Op): op is CollectiveOp {
  return "together" in op;
}

/** Whether an equation's value spans devices: by its op, or by one inside a program that it holds. */
export function spansDevices(op: Op, params: unknown): boolean {
  if (isCollective(op)) return true;
  return programsIn(params).some(({ equations }) =>
    equations.some((inner) => spansDevices(inner.op, inner.params)),
  );
}

function refuseOneDevice<P>(
  op: { readonly name: string; devices(params: P): number; alone(params: P): boolean },
  params: P,
): void {
  if (op.alone(params)) return;
  throw new EngineError(
    "ENGINE-02",
    `${op.name}: a collective of ${op.devices(params)} devices cannot run on one device.`,
    [
      [
        "fix",
        "run the program on all of them: interpretTogether, or printStablehlo with { partitions }",
      ],
    ],
  );
}

/** A program for thousands of devices has few lists of groups, each in many collectives. */
const checked = new WeakSet<Groups>();

/**
 * Checks that groups name the devices 0 … D − 1, each once.
 *
 * @throws ShapeError naming the first device that is missing or stands twice, or the empty group
 */
export function checkGroups(name: string, groups: Groups): void {
  if (checked.has(groups)) return;
  const listed = groups.flat();
  const wrong = (why: string) =>
    new ShapeError("SHAPE-01", `${name}: groups ${showGroups(groups)} ${why}`);
  if (listed.length === 0) throw wrong("name no device");
  if (groups.some((group) => group.length === 0)) throw wrong("hold an empty group");
  const seen = new Set<number>();
  for (const device of listed) {
    if (seen.has(device)) throw wrong(`name device ${device} twice`);
    seen.add(device);
  }
  const missing = listed.findIndex((_, device) => !seen.has(device));
  if (missing >= 0)
    throw wrong(`name ${listed.length} devices, but not device ${missing}; they count from 0`);
  checked.add(groups);
}

/**
 * The common length of the groups.
 *
 * @throws ShapeError when they have different lengths
 */
export function groupSize(name: string, groups: Groups): number {
  checkGroups(name, groups);
  const size = groups[0]?.length ?? 0;
  if (groups.every((group) => group.length === size)) return size;
  throw new ShapeError(
    "SHAPE-01",
    `${name}: groups ${showGroups(groups)} have different lengths; results would differ in form`,
  );
}

/** `[[0, 1], [2, 3]]`. */
export function showGroups(groups: Groups): string {
  return `[${groups.map((group) => `[${group.join(", ")}]`).join(", ")}]`;
}

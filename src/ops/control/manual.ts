/**
 * @file A region in which the user writes what each device does: `manual` cuts its operands along mesh axes, every
 * device runs the program on its pieces, with collectives in it, and the results are put together.
 *
 * Derivatives hold for the sum over devices, as those of collectives do. What an axis does not split every device has
 * alike: of such an operand the cotangents of all devices are added, of such a result each device gets an equal share.
 */

import { apply } from "../../core/builder.ts";
import { EngineError, ShapeError } from "../../core/errors.ts";
import { interpretTogether } from "../../core/interpret-together.ts";
import {
  type AxisPart,
  deviceCount,
  groupsAlong,
  type Mesh,
  makeMesh,
  showMesh,
  sizeOfParts,
  wholeAxis,
} from "../../core/mesh.ts";
import { cutArray, joinArrays, type SplitParts } from "../../core/mesh-pieces.ts";
import type { NdArray } from "../../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  type Many,
  type MaybeZero,
  type Op,
  type Operand,
} from "../../core/op.ts";
import type { Program, Variable } from "../../core/program.ts";
import { random, rejects, sample } from "../../core/samples.ts";
import { type Aval, aval, sameDims, showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lineariseProgram } from "../../transforms/linearise.ts";
import { abstract, closedProgram, inline } from "../../transforms/trace.ts";
import { batched } from "../../transforms/vmap.ts";
import { mul, scale } from "../arithmetic.ts";
import { allReduce } from "../collectives.ts";
import { whole } from "./forms.ts";
import { transposition } from "./transposed.ts";

/** Names of the mesh axes that split each dimension, the first one major. */
export type SplitAxes = readonly (readonly string[])[];

export interface ManualParams {
  /** What every device does with its pieces. Its collectives number the devices row-major along `mesh`. */
  readonly program: Program;
  readonly mesh: Mesh;
  readonly operands: readonly SplitAxes[];
  readonly results: readonly SplitAxes[];
}

export const manualOp: Op<ManualParams, Many, Many> = defineOp<ManualParams, Many, Many>({
  name: "manual",
  infer(inputs: readonly Aval[], p) {
    inputs.forEach((x, i) => {
      const local = p.program.inputs[i]?.aval;
      const axes = p.operands[i] ?? [];
      if (local !== undefined && sameDims(x.dims, wholeDims(local, axes, p))) return;
      throw new ShapeError(
        "SHAPE-01",
        `manual: operand ${i + 1} is ${showAval(x)}; its pieces are ${local === undefined ? "none" : showAval(local)} on [${axes.map((names) => names.join("+") || "-").join(", ")}]`,
      );
    });
    return p.program.outputs.map(({ aval: y }, i) =>
      aval(y.dtype, wholeDims(y, p.results[i] ?? [], p), y.names),
    );
  },
  jvp: { kind: "joint", apply: manualJvp },
  transpose: { kind: "rule", apply: manualTranspose },
  batch: (inputs: readonly Tensor[], mapped: readonly boolean[], p, size) => {
    const forms = p.program.inputs.map(({ aval: x }, i) =>
      mapped[i] === true ? aval(x.dtype, [size, ...x.dims], [null, ...x.names]) : x,
    );
    return manual(inputs, {
      ...p,
      program: closedProgram(`${p.program.name}.batched`, forms, (xs) =>
        batched(p.program, xs, mapped, size),
      ),
      operands: p.operands.map((axes, i) => (mapped[i] === true ? [[], ...axes] : axes)),
      results: p.results.map((axes) => [[], ...axes]),
    });
  },
  shard: whole,
  evaluate(inputs: readonly NdArray[], p, outputs: readonly Aval[]) {
    const pieces = inputs.map((x, i) => cutArray(p.mesh, x, partsOf(p.operands[i] ?? [], p)));
    const devices = Array.from({ length: deviceCount(p.mesh) }, (_, device) =>
      pieces.map((list) => list[device] as NdArray),
    );
    const results = interpretTogether(p.program, devices);
    return outputs.map((y, i) =>
      joinArrays(
        p.mesh,
        y.dims,
        results.map((own) => own[i] as NdArray),
        partsOf(p.results[i] ?? [], p),
      ),
    );
  },
  simplify: (inputs, p) =>
    deviceCount(p.mesh) === 1
      ? inline(
          p.program,
          inputs.map((x) => x.tensor),
        )
      : null,
  lower: {
    onnx: (g, inputs, p) => {
      refuseOneDevice(p);
      return g.inline(p.program, inputs);
    },
    stablehlo: (h, inputs, p) => {
      refuseOneDevice(p);
      return h.inline(p.program, inputs);
    },
  },
  samples: () => [
    sample("one device", [random(3, 2), random(2)], {
      program: closedProgram(
        "scaled",
        [aval("float32", [3, 2]), aval("float32", [2])],
        ([x, w]) => [scale(x as Tensor, 2), mul(w as Tensor, w as Tensor)],
      ),
      mesh: makeMesh({ x: 1 }),
      operands: [[["x"], []], [[]]],
      results: [[["x"], []], [[]]],
    }),
  ],
  rejects: () => [
    rejects(
      "pieces that are not those of the operand",
      [aval("float32", [5])],
      {
        program: closedProgram("same", [aval("float32", [2])], (xs) => xs),
        mesh: makeMesh({ x: 2 }),
        operands: [[["x"]]],
        results: [[["x"]]],
      },
      "manual: operand 1 is float32[5]; its pieces are float32[2] on [x]",
    ),
  ],
});

export function manual(inputs: readonly Tensor[], params: ManualParams): readonly Tensor[] {
  return apply(manualOp, inputs, params);
}

type Box = Pick<ManualParams, "mesh">;

function partsOf(axes: SplitAxes, { mesh }: Box): SplitParts {
  return axes.map((names) => names.map((name) => wholeAxis(mesh, name)));
}

function wholeDims({ dims }: Pick<Aval, "dims">, axes: SplitAxes, box: Box): number[] {
  const parts = partsOf(axes, box);
  return dims.map((size, dim) => size * sizeOfParts(parts[dim] ?? []));
}

/** The axes of the mesh that split no dimension. */
function alikeAlong(axes: SplitAxes, { mesh }: Box): readonly AxisPart[] {
  return mesh.axes
    .filter(({ name }) => !axes.flat().includes(name))
    .map(({ name }) => wholeAxis(mesh, name));
}

/** The derivative is a region of its own, which computes the rest again from the operands. */
function manualJvp(
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  p: ManualParams,
): { readonly outputs: readonly Tensor[]; readonly tangents: readonly MaybeZero[] } {
  const outputs = manual(primals, p);
  const moving = tangents.map((dx) => dx !== null);
  const { primal, tangent, moves } = lineariseProgram(p.program, moving);
  if (!moves.includes(true)) return { outputs, tangents: moves.map(() => null) };
  const ds = tangents.filter((dx) => dx !== null);
  const inner = [
    ...p.program.inputs.map((v) => v.aval),
    ...tangent.inputs.slice(0, ds.length).map((v) => v.aval),
  ];
  const program = closedProgram(`${p.program.name}.tangent`, inner, (xs) => {
    const known = inline(primal, xs.slice(0, primals.length)).slice(p.program.outputs.length);
    return inline(tangent, [...xs.slice(primals.length), ...known]);
  });
  const dots = manual([...primals, ...ds], {
    ...p,
    program,
    operands: [...p.operands, ...p.operands.filter((_, i) => moving[i])],
    results: p.results.filter((_, i) => moves[i]),
  }).values();
  return { outputs, tangents: moves.map((moved) => (moved ? (dots.next().value ?? null) : null)) };
}

function manualTranspose(
  cotangents: readonly MaybeZero[],
  operands: readonly Operand[],
  p: ManualParams,
): readonly MaybeZero[] {
  const linear = operands.map(isLinear);
  const results = p.results.filter((_, i) => cotangents[i] !== null);
  const back = p.operands.filter((_, i) => linear[i]);
  // The transposition sees pieces; what goes in and out of the region is whole.
  const piece = (v: Variable | undefined) => abstract(v?.aval ?? aval("float32", []));
  const pieces = operands.map((x, i) => (isLinear(x) ? x : piece(p.program.inputs[i])));
  const locals = cotangents.map((ct, i) => (ct === null ? null : piece(p.program.outputs[i])));
  const inside = transposition(pieces, locals).transposed(p.program);
  const way = transposition(operands, cotangents);
  const given = way.given.length;
  const program = closedProgram(
    inside.name,
    inside.inputs.map((v) => v.aval),
    (xs) => {
      const shares = xs.slice(given).map((ct, i) => {
        const alike = sizeOfParts(alikeAlong(results[i] ?? [], p));
        return alike === 1 ? ct : scale(ct, 1 / alike);
      });
      return inline(inside, [...xs.slice(0, given), ...shares]).map((ct, i) => {
        const alike = alikeAlong(back[i] ?? [], p);
        return sizeOfParts(alike) === 1 ? ct : allReduce(ct, groupsAlong(p.mesh, alike));
      });
    },
  );
  return way.spread(
    manual([...way.given, ...way.cotangents], {
      ...p,
      program,
      operands: [...p.operands.filter((_, i) => !linear[i]), ...results],
      results: back,
    }),
  );
}

function refuseOneDevice(p: ManualParams): void {
  const count = deviceCount(p.mesh);
  if (count === 1) return;
  throw new EngineError(
    "ENGINE-02",
    `manual: a region of ${count} devices cannot run on one device.`,
    [
      ["mesh", showMesh(p.mesh)],
      [
        "fix",
        `partition the program over a mesh with these axes, or run it on the reference engine`,
      ],
    ],
  );
}

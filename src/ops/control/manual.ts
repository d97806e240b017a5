/**
 * @file A region in which the user writes what each device does: `manual` cuts its operands along mesh axes, every
 * device runs the program on its pieces, with collectives in it, and the results are put together.
 *
 * Derivatives hold for the sum over devices, as those of collectives do. What an axis does not split every device has
 * alike: of such an operand the cotangents of all devices are added, of such a result each device gets an equal share.
 */

import { apply } from "../../core/builder.ts";
import type { Groups } from "../../core/collective.ts";
import { EngineError, ShapeError } from "../../core/errors.ts";
import { interpretTogether } from "../../core/interpret-together.ts";
import { at, build, type NdArray, offsetOf } from "../../core/ndarray.ts";
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
  readonly mesh: readonly { readonly name: string; readonly size: number }[];
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
  evaluate(inputs: readonly NdArray[], p) {
    const devices = Array.from({ length: deviceCount(p) }, (_, device) =>
      inputs.map((x, i) => pieceOn(device, x, p.operands[i] ?? [], p)),
    );
    const results = interpretTogether(p.program, devices);
    return p.results.map((axes, i) =>
      joined(
        results.map((own) => own[i] as NdArray),
        axes,
        p,
      ),
    );
  },
  simplify: (inputs, p) =>
    deviceCount(p) === 1
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
      mesh: [{ name: "x", size: 1 }],
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
        mesh: [{ name: "x", size: 2 }],
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

function deviceCount({ mesh }: Box): number {
  return mesh.reduce((count, { size }) => count * size, 1);
}

function sizeAlong(axes: readonly string[], { mesh }: Box): number {
  return axes.reduce(
    (count, name) => count * (mesh.find((axis) => axis.name === name)?.size ?? 1),
    1,
  );
}

function wholeDims({ dims }: Pick<Aval, "dims">, axes: SplitAxes, box: Box): number[] {
  return dims.map((size, dim) => size * sizeAlong(axes[dim] ?? [], box));
}

/** Place of a device along some axes, the first one major. */
function placeAlong(device: number, axes: readonly string[], { mesh }: Box): number {
  const places = new Map<string, number>();
  let left = device;
  for (const { name, size } of mesh.toReversed()) {
    places.set(name, left % size);
    left = Math.floor(left / size);
  }
  return axes.reduce(
    (place, name) =>
      place * (mesh.find((axis) => axis.name === name)?.size ?? 1) + (places.get(name) ?? 0),
    0,
  );
}

function pieceOn(device: number, x: NdArray, axes: SplitAxes, box: Box): NdArray {
  const dims = x.dims.map((size, dim) => size / sizeAlong(axes[dim] ?? [], box));
  const first = dims.map((size, dim) => size * placeAlong(device, axes[dim] ?? [], box));
  return build({ dtype: x.dtype, dims }, (index) =>
    at(
      x,
      offsetOf(
        x.dims,
        index.map((i, dim) => i + (first[dim] ?? 0)),
      ),
    ),
  );
}

/** Each piece from the first device that has it. */
function joined(pieces: readonly NdArray[], axes: SplitAxes, box: Box): NdArray {
  const [form] = pieces as [NdArray];
  const owners = new Map<string, NdArray>();
  pieces.forEach((piece, device) => {
    const place = form.dims.map((_, dim) => placeAlong(device, axes[dim] ?? [], box)).join();
    if (!owners.has(place)) owners.set(place, piece);
  });
  return build({ dtype: form.dtype, dims: wholeDims(form, axes, box) }, (index) => {
    const place = index.map((i, dim) => Math.floor(i / (form.dims[dim] ?? 1))).join();
    const piece = owners.get(place) ?? form;
    return at(
      piece,
      offsetOf(
        form.dims,
        index.map((i, dim) => i % (form.dims[dim] ?? 1)),
      ),
    );
  });
}

/** Axes of the mesh that split no dimension. */
function unusedAxes(axes: SplitAxes, { mesh }: Box): string[] {
  return mesh.map(({ name }) => name).filter((name) => !axes.flat().includes(name));
}

/** Devices that differ along some axes only. */
function groupsAlong(axes: readonly string[], box: Box): Groups {
  const others = box.mesh.map(({ name }) => name).filter((name) => !axes.includes(name));
  const groups = new Map<number, number[]>();
  for (let device = 0; device < deviceCount(box); device++) {
    const place = placeAlong(device, others, box);
    groups.set(place, [...(groups.get(place) ?? []), device]);
  }
  return [...groups.values()];
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
        const alike = sizeAlong(unusedAxes(results[i] ?? [], p), p);
        return alike === 1 ? ct : scale(ct, 1 / alike);
      });
      return inline(inside, [...xs.slice(0, given), ...shares]).map((ct, i) => {
        const alike = unusedAxes(back[i] ?? [], p);
        return sizeAlong(alike, p) === 1 ? ct : allReduce(ct, groupsAlong(alike, p));
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
  const count = deviceCount(p);
  if (count === 1) return;
  const mesh = p.mesh.map(({ name, size }) => `${name}=${size}`).join(",");
  throw new EngineError(
    "ENGINE-02",
    `manual: a region of ${count} devices cannot run on one device.`,
    [
      ["mesh", mesh],
      [
        "fix",
        `partition the program over a mesh with these axes, or run it on the reference engine`,
      ],
    ],
  );
}

/** @file `shardMap`: per-device code, written by the user, inside a program for one device. */

import { asOneLine } from "../core/builder.ts";
import { ShardingError } from "../core/errors.ts";
import {
  axisSize,
  deviceCount,
  groupsAlong,
  type Mesh,
  makeMesh,
  showMesh,
  wholeAxis,
} from "../core/mesh.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { type DimSpec, shard } from "../numpy/shard.ts";
import { collectivePermute } from "../ops/collectives.device.ts";
import {
  allGather,
  allReduce,
  allToAll,
  type Reduction,
  reduceScatter,
} from "../ops/collectives.ts";
import { manual, type SplitAxes } from "../ops/control/manual.ts";
import { programOf } from "../transforms/trace.ts";
import { deviceAlong } from "./place.ts";

/** How one tensor is cut: mesh axes by axis word, or one entry per dimension. What is not named is not cut. */
export type PieceSpec = readonly DimSpec[] | Readonly<Record<string, DimSpec>>;

export interface ShardMapOptions {
  /** Axes that the region is written for, with their sizes; the mesh that runs it has them, and may have more. */
  readonly mesh: Readonly<Record<string, number>>;
  /** One per argument. */
  readonly in: readonly PieceSpec[];
  /** One per result. */
  readonly out: readonly PieceSpec[];
}

/** What a device can ask of the others: collectives along mesh axes, `"model"` or `"data+model"`. */
export class DeviceView {
  readonly #mesh: Mesh;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  #parts(axes: string) {
    return axes.split("+").map((name) => wholeAxis(this.#mesh, name));
  }

  /** int32[]: the device's number along the axes, the first one major. */
  place(axes: string): Tensor {
    return deviceAlong(this.#mesh, this.#parts(axes));
  }

  /** The sum, largest or least of x over the devices along the axes, on all of them. */
  reduce(x: Tensor, axes: string, reduction: Reduction = "sum"): Tensor {
    return allReduce(x, groupsAlong(this.#mesh, this.#parts(axes)), reduction);
  }

  /** Pieces of the devices along the axes, one after the other along a dimension. */
  gather(x: Tensor, axes: string, dim: number): Tensor {
    return allGather(x, dim, groupsAlong(this.#mesh, this.#parts(axes)));
  }

  /** The sum over the devices along the axes, of which each keeps its block along a dimension. */
  scatterSum(x: Tensor, axes: string, dim: number): Tensor {
    return reduceScatter(x, dim, groupsAlong(this.#mesh, this.#parts(axes)));
  }

  /** Block k along `split` goes to device k; what comes in stands one after the other along `join`. */
  exchange(
    x: Tensor,
    axes: string,
    dims: { readonly split: number; readonly join: number },
  ): Tensor {
    const groups = groupsAlong(this.#mesh, this.#parts(axes));
    return allToAll(x, { splitAxis: dims.split, concatAxis: dims.join, groups });
  }

  /** x of the device `by` places before along an axis, round and round. */
  shift(x: Tensor, axis: string, by = 1): Tensor {
    const size = axisSize(this.#mesh, axis);
    const groups = groupsAlong(this.#mesh, this.#parts(axis));
    const pairs = groups.flatMap((group) =>
      group.map((source, k) => [source, group[(((k + by) % size) + size) % size] ?? 0] as const),
    );
    return collectivePermute(x, { devices: deviceCount(this.#mesh), pairs });
  }
}

/**
 * A function whose body every device runs on its own pieces.
 *
 * `shardMap((on, x, w) => on.reduce(einsum("b k, k n -> b n", x, w), "model"), { mesh: { model: 4 }, in: [[null,
 * "model"], ["model", null]], out: [[null, null]] })`
 *
 * What a result is not cut along, all devices along it must have alike. Axes of the mesh that the region does not name
 * are left to the partitioner, inside as outside.
 *
 * @throws ShardingError for a dimension that an axis does not divide, an axis that `mesh` lacks, another number of
 * specs than of tensors
 */
export function shardMap(
  f: (on: DeviceView, ...pieces: Tensor[]) => Tensor | readonly Tensor[],
  options: ShardMapOptions,
): (...args: Tensor[]) => Tensor[] {
  const mesh = makeMesh(options.mesh);
  return (...args) =>
    asOneLine(() => {
      checkCount("arguments", args.length, options.in.length);
      const marked = args.map((x, i) => cutMark(mesh, x, options.in[i] ?? [], `argument ${i + 1}`));
      const forms = marked.map(({ tensor, axes }) => pieceForm(mesh, tensor.aval, axes));
      const { program, captured } = programOf("shardMap", forms, (pieces) => {
        const results = f(new DeviceView(mesh), ...pieces);
        return Array.isArray(results) ? (results as readonly Tensor[]) : [results as Tensor];
      });
      checkCount("results", program.outputs.length, options.out.length);
      const results = program.outputs.map((v, i) =>
        axesOf(mesh, v.aval, options.out[i] ?? [], `result ${i + 1}`),
      );
      const whole = captured.map((x) => x.dims.map(() => []));
      const outputs = manual([...marked.map(({ tensor }) => tensor), ...captured], {
        ...{ program, mesh, results },
        operands: [...marked.map(({ axes }) => axes), ...whole],
      });
      return outputs.map((y, i) => shard(y, openSpec(results[i] ?? [])));
    });
}

function checkCount(what: string, count: number, specs: number): void {
  if (count === specs) return;
  throw new ShardingError("SHARD-01", `shardMap: ${count} ${what}, but ${specs} specs.`, [
    ["fix", "give one spec per tensor"],
  ]);
}

/** The tensor with word of how it is to be cut, so that it lies so already. */
function cutMark(
  mesh: Mesh,
  x: Tensor,
  spec: PieceSpec,
  what: string,
): { readonly tensor: Tensor; readonly axes: SplitAxes } {
  const axes = axesOf(mesh, x.aval, spec, what);
  axes.forEach((names, dim) => {
    const count = names.reduce((product, name) => product * axisSize(mesh, name), 1);
    const size = dimOf(x.aval, dim);
    if (size % count === 0) return;
    throw new ShardingError(
      "SHARD-01",
      `shardMap: ${what} is ${showAval(x.aval)}, whose dimension ${dim} does not divide into ${count} pieces.`,
      [
        ["mesh", showMesh(mesh)],
        ["fix", `pad it to ${Math.ceil(size / count) * count}, or cut it along other axes`],
      ],
    );
  });
  return { tensor: shard(x, openSpec(axes)), axes };
}

/** As a mark that leaves room for axes of the mesh that the region does not know. */
function openSpec(axes: SplitAxes): DimSpec[] {
  return axes.map((names) => `${names.join("+")}?`);
}

function axesOf(mesh: Mesh, form: Aval, spec: PieceSpec, what: string): SplitAxes {
  const list: readonly DimSpec[] = isList(spec)
    ? spec
    : form.names.map((word) => (word === null ? null : (spec[word] ?? null)));
  const unknown = isList(spec)
    ? []
    : Object.keys(spec).filter((word) => !form.names.includes(word));
  if (list.length !== form.dims.length || unknown.length > 0)
    throw new ShardingError(
      "SHARD-01",
      unknown.length > 0
        ? `shardMap: ${what} has no axis "${unknown[0]}".`
        : `shardMap: ${list.length} entries for ${what}.`,
      [["tensor", showAval(form)]],
    );
  const axes = list.map((dim) => {
    const names = dim === null ? [] : typeof dim === "string" ? dim.split("+") : dim;
    return names.filter((name) => name !== "" && axisSize(mesh, name) > 0);
  });
  const all = axes.flat();
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice === undefined) return axes;
  throw new ShardingError("SHARD-01", `shardMap: axis "${twice}" cuts ${what} twice.`, [
    ["tensor", showAval(form)],
  ]);
}

function isList(spec: PieceSpec): spec is readonly DimSpec[] {
  return Array.isArray(spec);
}

function pieceForm(mesh: Mesh, form: Aval, axes: SplitAxes): Aval {
  const dims = form.dims.map((size, dim) =>
    (axes[dim] ?? []).reduce((left, name) => left / axisSize(mesh, name), size),
  );
  return aval(form.dtype, dims, form.names);
}

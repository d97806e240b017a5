/**
 * @file The backend test cases of ONNX itself: every model whose operators we have is imported and run on the onnx
 * engine (on the reference where it is in float64), and all its outputs are compared.
 *
 * Cases come from the Python package onnx. Python is `MESHLOOM_PYTHON`, else `python3`; without the package, the
 * comparison is skipped.
 */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DType } from "../../src/core/dtype.ts";
import { OnnxError } from "../../src/core/errors.ts";
import { interpret } from "../../src/core/interpret.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { Program } from "../../src/core/program.ts";
import { aval } from "../../src/core/shape.ts";
import { stored, Tensor } from "../../src/core/tensor.ts";
import {
  importOnnx,
  type OnnxArgument,
  type OnnxFunction,
} from "../../src/engines/onnx/import/import.ts";
import { tensorData } from "../../src/engines/onnx/import/tensor-data.ts";
import { createOnnxEngine, type OnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { decodeTensor } from "../../src/engines/onnx/proto-decode.ts";
import { difference, type Tolerance } from "../../src/testing/matchers.ts";
import { simplify } from "../../src/transforms/simplify.ts";
import { abstract, trace } from "../../src/transforms/trace.ts";

/** A tensor in `values.bin`, a list of values, an absent optional, or the name of a type that is neither. */
type Dumped = { readonly tensor: Place } | readonly Dumped[] | null | string;
type Place = readonly [offset: number, length: number];

interface Case {
  readonly kind: string;
  readonly name: string;
  readonly rtol: number;
  readonly atol: number;
  readonly model: Place;
  readonly sets: readonly {
    readonly inputs: readonly Dumped[];
    readonly outputs: readonly Dumped[];
  }[];
}

interface Cases {
  readonly version: string;
  readonly cases: readonly Case[];
  readonly values: Buffer;
}

const KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator", "light"];

/** Writes the cases into a folder and reads them; or says why there are none. */
async function dumped(folder: string): Promise<Cases | string> {
  const script = fileURLToPath(new URL("dump_onnx_backend.py", import.meta.url));
  const python = process.env["MESHLOOM_PYTHON"] ?? "python3";
  const problem = await new Promise<string | undefined>((resolve) => {
    execFile(python, [script, folder], { maxBuffer: 2 ** 26 }, (error, _out, err) =>
      resolve(error === null ? undefined : (err.trim().split("\n").at(-1) ?? String(error))),
    );
  });
  if (problem !== undefined) return problem;
  const index = JSON.parse(await readFile(join(folder, "cases.json"), "utf8"));
  return { ...index, values: await readFile(join(folder, "values.bin")) };
}

const folder = await mkdtemp(join(tmpdir(), "onnx-backend-"));
const cases = await dumped(folder);
await rm(folder, { recursive: true });

// ---- what is left out ---------------------------------------------------------------------------

/** Cases that say nothing about us, each with its reason. */
const NOT_COMPARED: Readonly<Record<string, string>> = {
  test_squeezenet: "logits of 9e9 in float32, whose last bit decides about the softmax",
};

/** `OnnxError` headlines by what they are about, for counting. */
function reasonOf(error: OnnxError): string {
  const said = error.headline.replace(/^importOnnx: /, "");
  const type = /is of type (\S+),/.exec(said)?.[1] ?? /elements of type (\S+),/.exec(said)?.[1];
  if (type !== undefined) return `type ${type}`;
  const domain = /operators of the domain "([^"]*)"/.exec(said)?.[1];
  if (domain !== undefined) return `domain ${domain}`;
  return said.replace(/ \(did you mean.*\)/, "").replace(/\.$/, "");
}

// ---- running ------------------------------------------------------------------------------------

/** How much of a model's input was data while it ran, and how much was known while tracing. */
const WAYS = ["all inputs traced", "integers known", "all inputs known"] as const;
type Way = (typeof WAYS)[number];

function load(value: Dumped, { values }: Cases): OnnxArgument | string {
  if (value === null || typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((item) => load(item, cases as Cases) as Tensor);
  const { tensor } = value as { tensor: Place };
  const { array } = tensorData(decodeTensor(cut(values, tensor)), () => new Uint8Array());
  return stored(aval(array.dtype, array.dims), array.data);
}

/** A copy, whose memory is aligned. */
function cut(values: Buffer, [offset, length]: Place): Uint8Array {
  return Uint8Array.prototype.slice.call(values, offset, offset + length);
}

function flat(value: OnnxArgument): readonly Tensor[] {
  if (value === null) return [];
  return value instanceof Tensor ? [value] : value;
}

/** Whether an argument stays open; integers and single numbers are often forms. */
function isOpen(value: OnnxArgument, way: Way): boolean {
  if (value === null || way === "all inputs known") return false;
  if (way === "all inputs traced") return true;
  return flat(value).every((x) => x.dtype.includes("float") && x.rank > 0);
}

const isDouble = (program: Program): boolean =>
  [...program.inputs, ...program.equations.flatMap(({ outputs }) => outputs)].some(
    ({ aval: form }) => form.dtype === "float64",
  );

async function run(
  f: OnnxFunction,
  inputs: readonly OnnxArgument[],
  way: Way,
  engine: OnnxEngine,
): Promise<readonly NdArray[]> {
  const open = inputs.map((value) => isOpen(value, way));
  const args = inputs.filter((_, i) => open[i]);
  const form = (x: Tensor) => abstract(x.aval);
  const { program, captured } = trace(
    "model",
    (...given: OnnxArgument[]) => {
      let next = 0;
      return f(...inputs.map((value, i) => (open[i] === true ? (given[next++] ?? null) : value)));
    },
    args.map((value) => (value instanceof Tensor ? form(value) : flat(value).map(form))),
  );
  const data = args.flatMap(flat);
  const arrayOf = (x: Tensor): NdArray => ({ dtype: x.dtype, dims: x.dims, data: x.data() });
  if (isDouble(program)) return interpret(program, [...data, ...captured].map(arrayOf));
  const options = { donated: data.map(() => false), threads: 1, constants: captured };
  const executable = await engine.compile(simplify(program), options);
  try {
    return (await executable.run(data)).map(arrayOf);
  } finally {
    executable.release();
  }
}

/**
 * The package's own tolerance, but for 16-bit floats and values near 0: those are rounded at other places than
 * NumPy rounds them, and a transform's zeros are as large as its rounding errors.
 */
function toleranceOf(dtype: DType, { rtol, atol }: Case): Tolerance {
  if (dtype === "float16") return { rtol: 1e-2, atol: 1e-2 };
  if (dtype === "bfloat16") return { rtol: 4e-2, atol: 4e-2 };
  return { rtol, atol: dtype === "float32" ? Math.max(atol, 1e-6) : atol };
}

function compare(
  actual: readonly NdArray[],
  expected: readonly Tensor[],
  one: Case,
): string | undefined {
  if (actual.length < expected.length) return `${actual.length} outputs for ${expected.length}`;
  for (const [i, y] of expected.entries()) {
    const x = actual[i] as NdArray;
    const wanted: NdArray = { dtype: y.dtype, dims: y.dims, data: y.data() };
    if (x.dtype !== y.dtype) return `output ${i + 1} is ${x.dtype}, not ${y.dtype}`;
    const problem = difference(x, wanted, toleranceOf(y.dtype, one));
    if (problem !== undefined) return `output ${i + 1}: ${problem}`;
  }
  return undefined;
}

type Outcome =
  | { readonly kind: "passed"; readonly way: Way }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "left out"; readonly reason: string };

/** Runs a case with as much of its input open as its forms allow. */
async function outcomeOf(one: Case, all: Cases, engine: OnnxEngine): Promise<Outcome> {
  const excuse = NOT_COMPARED[one.name];
  if (excuse !== undefined) return { kind: "left out", reason: excuse };
  try {
    const f = await importOnnx(cut(all.values, one.model));
    let way: Way = WAYS[0];
    for (const set of one.sets) {
      // Inputs with a default in the model are not asked for.
      const inputs = set.inputs.map((value) => load(value, all)).slice(0, f.inputs.length);
      const outputs = set.outputs.map((value) => load(value, all));
      const odd = [...inputs, ...outputs].find((value) => typeof value === "string");
      if (odd !== undefined) return { kind: "left out", reason: `type ${odd}` };
      const { values, way: own } = await leastKnown(f, inputs as OnnxArgument[], engine);
      const why = compare(values, (outputs as OnnxArgument[]).flatMap(flat), one);
      if (why !== undefined) return { kind: "failed", why };
      way = WAYS.indexOf(own) > WAYS.indexOf(way) ? own : way;
    }
    return { kind: "passed", way };
  } catch (error) {
    if (error instanceof OnnxError && error.code === "ONNX-02") {
      return { kind: "left out", reason: reasonOf(error) };
    }
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  }
}

async function leastKnown(
  f: OnnxFunction,
  inputs: readonly OnnxArgument[],
  engine: OnnxEngine,
): Promise<{ readonly values: readonly NdArray[]; readonly way: Way }> {
  for (const way of WAYS) {
    try {
      return { values: await run(f, inputs, way, engine), way };
    } catch (error) {
      const needs = error instanceof OnnxError && error.code === "ONNX-03";
      if (!needs || way === WAYS.at(-1)) throw error;
    }
  }
  throw new Error("there is no way left");
}

if (typeof cases === "string") {
  const why = `${cases}. Set MESHLOOM_PYTHON to a Python with onnx.`;
  process.stdout.write(`onnx backend cases: skipped, ${why}\n`);
  test.skip(`models of ONNX's own test cases compute what it says (skipped: ${why})`, () =>
    undefined);
} else {
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  const leftOut = new Map<string, number>();
  let engine: OnnxEngine;
  beforeAll(async () => {
    engine = await createOnnxEngine();
  });
  afterAll(() => {
    const passed = WAYS.map((way) => `${counts.get(way) ?? 0} with ${way}`).join(", ");
    const rows = [...leftOut].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    process.stdout.write(
      `onnx ${cases.version} backend cases: ${cases.cases.length}; run ${counts.get("run") ?? 0}, ` +
        `passed ${counts.get("passed") ?? 0} (${passed}), left out ${counts.get("left out") ?? 0}:\n` +
        rows.map(([reason, n]) => `  ${n}  ${reason}\n`).join(""),
    );
  });

  describe("models of ONNX's own test cases compute what it says", () => {
    test.each(KINDS)("%s", async (kind) => {
      const failed: Record<string, string> = {};
      for (const one of cases.cases.filter((other) => other.kind === kind)) {
        const outcome = await outcomeOf(one, cases, engine);
        if (outcome.kind === "left out") {
          count("left out");
          leftOut.set(outcome.reason, (leftOut.get(outcome.reason) ?? 0) + 1);
          continue;
        }
        count("run");
        if (outcome.kind === "failed") {
          failed[one.name] = outcome.why;
          continue;
        }
        count("passed");
        count(outcome.way);
      }
      expect(failed).toEqual({});
    });

    test("most of them run", () => {
      expect(counts.get("run")).toBeGreaterThan(0.85 * cases.cases.length);
    });
  });
}

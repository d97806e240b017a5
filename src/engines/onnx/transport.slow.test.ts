import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { allocate, type DType, fromNumbers } from "../../core/dtype.ts";
import { elementCount } from "./element-types.ts";
import { openTransport } from "./open.ts";
import { encodeModel, type OnnxAttribute, type OnnxNode, type OnnxTensor } from "./proto.ts";
import type { HostTensor, OnnxSession, SessionOptions } from "./transport.ts";

const OPTIONS: SessionOptions = { threads: 0, optimise: "all", profilePrefix: undefined };
const MIB = 2 ** 20;

type Type = readonly [dtype: DType, dims: readonly number[]];

function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
): OnnxNode {
  return { op, domain: "", name: outputs.join(), inputs, outputs, attributes };
}

function model(
  nodes: readonly OnnxNode[],
  inputs: Readonly<Record<string, Type>>,
  outputs: Readonly<Record<string, Type>>,
  initializers: readonly OnnxTensor[] = [],
): Uint8Array {
  const infos = (types: Readonly<Record<string, Type>>) =>
    Object.entries(types).map(([name, [dtype, dims]]) => ({ name, dtype, dims }));
  return encodeModel({
    name: "test",
    nodes,
    initializers,
    inputs: infos(inputs),
    outputs: infos(outputs),
    metadata: {},
  });
}

function tensor(dtype: DType, dims: readonly number[], values: readonly number[]): HostTensor {
  return { dtype, dims, data: fromNumbers(dtype, values) };
}

function blank(dtype: DType, dims: readonly number[]): HostTensor {
  return { dtype, dims, data: allocate(dtype, elementCount(dims)) };
}

function filled(dims: readonly number[], of: (index: number) => number): HostTensor {
  return {
    dtype: "float32",
    dims,
    data: Float32Array.from({ length: elementCount(dims) }, (_, i) => of(i)),
  };
}

const values = (given: HostTensor): number[] => Array.from(given.data as Float32Array, Number);

function residentBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage.rss();
}

const VEC: Type = ["float32", [4]];
const ADD = model([node("Add", ["x", "y"], ["z"])], { x: VEC, y: VEC }, { z: VEC });

describe.each(["c-api", "binding", "wasm"] as const)("transport %s", async (name) => {
  const transport = await openTransport(name);
  const load = (bytes: Uint8Array, options: Partial<SessionOptions> = {}): Promise<OnnxSession> =>
    transport.load(bytes, { ...OPTIONS, ...options });

  /** Loads, runs once with `inputs`, and returns what the outputs hold then. */
  async function evaluate(
    bytes: Uint8Array,
    inputs: HostTensor[],
    outputs: HostTensor[],
  ): Promise<number[][]> {
    const session = await load(bytes);
    await session.run(inputs, outputs);
    session.release();
    return outputs.map(values);
  }

  /** One operator over inputs `a`, `b`, … */
  function op(
    operator: string,
    inputs: HostTensor[],
    output: HostTensor,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): Promise<number[][]> {
    const names = inputs.map((_, i) => String.fromCharCode(97 + i));
    const types = Object.fromEntries(inputs.map((t, i) => [names[i], [t.dtype, t.dims] as Type]));
    const bytes = model([node(operator, names, ["out"], attributes)], types, {
      out: [output.dtype, output.dims],
    });
    return evaluate(bytes, inputs, [output]);
  }

  test("opens the expected release", () => {
    expect(transport).toMatchObject({ name, version: "1.30.0" });
  });

  test("adds and multiplies matrices", async () => {
    const [x, y] = [
      tensor("float32", [2, 2], [1, 2, 3, 4]),
      tensor("float32", [2, 2], [5, 6, 7, 8]),
    ];
    expect(await op("Add", [x, y], blank("float32", [2, 2]))).toEqual([[6, 8, 10, 12]]);
    expect(await op("MatMul", [x, y], blank("float32", [2, 2]))).toEqual([[19, 22, 43, 50]]);
  });

  test("computes in uint32, modulo 2^32", async () => {
    const [x, y] = [
      tensor("uint32", [2], [0xffffffff, 0x80000001]),
      tensor("uint32", [2], [2, 31]),
    ];
    const out = () => blank("uint32", [2]);
    expect(await op("Add", [x, y], out())).toEqual([[1, 0x80000020]]);
    expect(await op("BitwiseXor", [x, y], out())).toEqual([[0xfffffffd, 0x8000001e]]);
    const left = { direction: { string: "LEFT" } };
    expect(await op("BitShift", [x, y], out(), left)).toEqual([[0xfffffffc, 0x80000000]]);
    const right = { direction: { string: "RIGHT" } };
    expect(await op("BitShift", [x, y], out(), right)).toEqual([[0x3fffffff, 1]]);
  });

  test("computes in int32, int64, float64 and bool", async () => {
    for (const dtype of ["int32", "int64", "float64"] as const) {
      const [x, y] = [tensor(dtype, [3], [-7, 2, 9]), tensor(dtype, [3], [3, -2, 9])];
      expect(await op("Mul", [x, y], blank(dtype, [3]))).toEqual([[-21, -4, 81]]);
      expect(await op("Less", [x, y], blank("bool", [3]))).toEqual([[1, 0, 0]]);
    }
    const [p, q] = [tensor("bool", [3], [1, 1, 0]), tensor("bool", [3], [1, 0, 0])];
    expect(await op("And", [p, q], blank("bool", [3]))).toEqual([[1, 0, 0]]);
  });

  test("takes scalars and empty tensors", async () => {
    const [two, three] = [tensor("float32", [], [2]), tensor("float32", [], [3])];
    expect(await op("Mul", [two, three], blank("float32", []))).toEqual([[6]]);
    const none = blank("float32", [0, 4]);
    expect(await op("Neg", [none], blank("float32", [0, 4]))).toEqual([[]]);
    // an empty sum is 0, not what the memory held before
    const summed = tensor("float32", [2, 3], [9, 9, 9, 9, 9, 9]);
    const [a, b] = [blank("float32", [2, 0]), blank("float32", [0, 3])];
    expect(await op("MatMul", [a, b], summed)).toEqual([[0, 0, 0, 0, 0, 0]]);
  });

  test("writes many outputs, also those that are an input, a constant, or the same value", async () => {
    const constant = {
      name: "c",
      dtype: "float32",
      dims: [4],
      data: new Float32Array([4, 3, 2, 1]),
    } as const;
    const count = 40;
    const nodes = Array.from({ length: count }, (_, i) =>
      node("Add", ["x", i === 0 ? "c" : `y${i - 1}`], [`y${i}`]),
    );
    nodes.push(node("Identity", ["x"], ["same"]), node("Identity", ["c"], ["constant"]));
    nodes.push(node("Identity", ["y0"], ["again"]));
    const names = [
      ...Array.from({ length: count }, (_, i) => `y${i}`),
      "same",
      "constant",
      "again",
    ];
    const bytes = model(nodes, { x: VEC }, Object.fromEntries(names.map((n) => [n, VEC])), [
      constant,
    ]);
    const outputs = names.map(() => blank("float32", [4]));
    const results = await evaluate(bytes, [tensor("float32", [4], [1, 2, 3, 4])], outputs);
    expect(results[39]).toEqual([44, 83, 122, 161]);
    expect(results.slice(40)).toEqual([
      [1, 2, 3, 4],
      [4, 3, 2, 1],
      [5, 5, 5, 5],
    ]);
  });

  test("reads and writes views at an offset and shared memory", async () => {
    const buffer = new Float32Array([9, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9]);
    const shared = new Float32Array(new SharedArrayBuffer(32)).subarray(4);
    shared.set([10, 20, 30, 40]);
    const session = await load(ADD);
    const host = (data: Float32Array): HostTensor => ({ dtype: "float32", dims: [4], data });
    await session.run([host(buffer.subarray(1, 5)), host(shared)], [host(buffer.subarray(6, 10))]);
    expect([...buffer]).toEqual([9, 1, 2, 3, 4, 9, 11, 22, 33, 44, 9]);
    await session.run([host(buffer.subarray(1, 5)), host(shared)], [host(shared.subarray())]);
    expect([...shared]).toEqual([11, 22, 33, 44]);
    session.release();
  });

  describe("refuses", async () => {
    const x = blank("float32", [4]);
    const refused = async (inputs: HostTensor[], outputs: HostTensor[]): Promise<string> => {
      const session = await load(ADD);
      const error: unknown = await session
        .run(inputs, outputs)
        .catch((problem: unknown) => problem);
      session.release();
      return (error as Error).message;
    };

    test.each([
      [
        "a wrong count",
        () => refused([x], [x]),
        "onnx run: wrong number of inputs.\n  wants    2: x, y\n  given    1    [ENGINE-02]",
      ],
      [
        "a wrong dtype",
        () => refused([x, blank("int32", [4])], [x]),
        'input "y" has the wrong dtype.',
      ],
      [
        "a wrong shape",
        () => refused([x, x], [blank("float32", [2, 2])]),
        'output "z" has the wrong shape.',
      ],
      [
        "a wrong array",
        () => refused([{ ...x, data: new Int32Array(4) }, x], [x]),
        'input "x" has the wrong kind of array.',
      ],
      [
        "a wrong length",
        () => refused([{ ...x, data: new Float32Array(3) }, x], [x]),
        'input "x" has the wrong length.\n  wants    float32[4]\n  given    float32[4]\n  in       Float32Array of 3 elements    [ENGINE-02]',
      ],
    ])("%s", async (_, attempt, text) => {
      expect(await attempt()).toContain(text);
    });

    test("a model that is none, and an unknown operator", async () => {
      await expect(load(new Uint8Array([1, 2, 3]))).rejects.toThrow("no ONNX model");
      const unknown = model([node("Frobnicate", ["x"], ["z"])], { x: VEC }, { z: VEC });
      await expect(load(unknown)).rejects.toThrow(
        /ONNX Runtime refused CreateSession[\s\S]*Frobnicate/,
      );
    });

    test("an error inside a run, and works on", async () => {
      const indices: Type = ["int64", [1]];
      const bytes = model(
        [node("Gather", ["x", "i"], ["z"])],
        { x: VEC, i: indices },
        { z: ["float32", [1]] },
      );
      const session = await load(bytes);
      const run = (index: number) => {
        const z = blank("float32", [1]);
        const data = tensor("float32", [4], [5, 6, 7, 8]);
        return session.run([data, tensor("int64", [1], [index])], [z]).then(() => values(z));
      };
      await expect(run(7)).rejects.toThrow(/ONNX Runtime refused Run[\s\S]*out of/);
      expect(await run(2)).toEqual([7]);
      session.release();
    });

    test("a released session", async () => {
      const session = await load(ADD);
      const [a, z] = [tensor("float32", [4], [1, 2, 3, 4]), blank("float32", [4])];
      const running = session.run([a, a], [z]);
      session.release();
      session.release();
      await running;
      expect(values(z)).toEqual([2, 4, 6, 8]);
      await expect(session.run([a, a], [z])).rejects.toThrow("the session has been released");
    });
  });

  test("is right when runs and loads overlap", async () => {
    const size = 128;
    const [square, other]: [Type, Type] = [
      ["float32", [size, size]],
      ["float32", [size, size]],
    ];
    const session = await load(
      model([node("MatMul", ["x", "y"], ["z"])], { x: square, y: other }, { z: square }),
    );
    const identity = filled([size, size], (i) => (i % (size + 1) === 0 ? 1 : 0));
    const jobs = Array.from({ length: 24 }, async (_, job) => {
      const x = filled([size, size], (i) => (i % 97) + job);
      const z = blank("float32", [size, size]);
      await session.run([x, identity], [z]);
      if (job % 6 === 0) (await load(ADD)).release();
      expect(z.data).toEqual(x.data);
    });
    await Promise.all(jobs);
    session.release();
  });

  test("takes 400 runs at once, or says that these are too many", async () => {
    const session = await load(ADD);
    const x = tensor("float32", [4], [1, 2, 3, 4]);
    const runs = Array.from({ length: 400 }, async () => {
      const z = blank("float32", [4]);
      await session.run([x, x], [z]);
      return values(z);
    });
    for (const run of await Promise.allSettled(runs)) {
      if (run.status === "fulfilled") expect(run.value).toEqual([2, 4, 6, 8]);
      else expect(run.reason).toMatchObject({ code: "ENGINE-02" });
    }
    await session.run([x, x], [blank("float32", [4])]);
    session.release();
  });

  test.each([1, 2, 3, 0])("gives the same with %i threads", async (threads) => {
    const wide: Type = ["float32", [300, 300]];
    const session = await load(
      model([node("MatMul", ["x", "x"], ["z"])], { x: wide }, { z: wide }),
      { threads },
    );
    const z = blank("float32", [300, 300]);
    await session.run([filled([300, 300], (i) => i % 3)], [z]);
    const column = (row: number) =>
      Array.from({ length: 300 }, (_, k) => ((row * 300 + k) % 3) * ((k * 300) % 3));
    expect(z.data[300 * 7]).toBe(column(7).reduce((a, b) => a + b, 0));
    session.release();
  });

  test("writes a profile where asked, or says that it cannot", async () => {
    const prefix = join(tmpdir(), `meshloom-${name}-${process.pid}`);
    if (name === "wasm") {
      await expect(load(ADD, { profilePrefix: prefix })).rejects.toThrow("writes no profile");
      return;
    }
    const session = await load(ADD, { profilePrefix: prefix });
    const x = blank("float32", [4]);
    await session.run([x, x], [blank("float32", [4])]);
    const file = session.endProfiling() ?? "";
    expect(file).toMatch(/meshloom-(c-api|binding)-\d+_.*json$/);
    expect(readFileSync(file, "utf8")).toContain("session_initialization");
    rmSync(file);
    session.release();
    expect((await load(ADD)).endProfiling()).toBeUndefined();
  });

  test("leaks nothing over 3,000 runs with alternating buffers", async () => {
    const count = 50;
    const names = Array.from({ length: count }, (_, i) => i);
    const session = await load(
      model(
        names.map((i) => node("Neg", [`x${i}`], [`y${i}`])),
        Object.fromEntries(names.map((i) => [`x${i}`, VEC])),
        Object.fromEntries(names.map((i) => [`y${i}`, VEC])),
      ),
    );
    const set = () => names.map(() => blank("float32", [4]));
    const [a, b] = [set(), set()];
    for (let step = 0; step < 300; step++) await session.run(a, b);
    const before = residentBytes();
    for (let step = 0; step < 3000; step++)
      await (step % 2 === 0 ? session.run(a, b) : session.run(b, a));
    // 300,000 native values of over 100 bytes are made and freed: a leak of them is over 30 MiB
    expect(residentBytes() - before).toBeLessThan(16 * MIB);
    session.release();
  });

  test("keeps no buffer alive after its run", async () => {
    const large: Type = ["float32", [MIB]];
    const session = await load(model([node("Neg", ["x"], ["y"])], { x: large }, { y: large }));
    const step = () => session.run([blank("float32", [MIB])], [blank("float32", [MIB])]);
    for (let i = 0; i < 20; i++) await step();
    const before = residentBytes();
    for (let i = 0; i < 100; i++) await step();
    // 800 MiB go through
    expect(residentBytes() - before).toBeLessThan(100 * MIB);
    session.release();
  });

  test("leaks nothing over 200 sessions", async () => {
    const constant = {
      name: "c",
      dtype: "float32",
      dims: [MIB / 4],
      data: new Float32Array(MIB / 4),
    } as const;
    const type: Type = ["float32", [MIB / 4]];
    const bytes = model([node("Add", ["x", "c"], ["z"])], { x: type }, { z: type }, [constant]);
    const [x, z] = [blank("float32", [MIB / 4]), blank("float32", [MIB / 4])];
    const once = async () => {
      const session = await load(bytes);
      await session.run([x], [z]);
      session.release();
    };
    for (let i = 0; i < 20; i++) await once();
    const before = residentBytes();
    for (let i = 0; i < 200; i++) await once();
    // each holds its constant of 1 MiB, and an arena of its own
    expect(residentBytes() - before).toBeLessThan(40 * MIB);
  });
});

test("the event loop stays free while the C API works", async () => {
  const transport = await openTransport("c-api");
  const type: Type = ["float32", [1536, 1536]];
  const session = await transport.load(
    model([node("MatMul", ["x", "x"], ["z"])], { x: type }, { z: type }),
    OPTIONS,
  );
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await session.run([blank("float32", [1536, 1536])], [blank("float32", [1536, 1536])]);
  clearInterval(timer);
  session.release();
  expect(ticks).toBeGreaterThan(3);
});

/** @file The README's programs are the examples, they run, and the export runs in stock ONNX Runtime. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXAMPLE = join(ROOT, "examples", "twenty-lines.ts");
const LOOPS = join(ROOT, "examples", "loops.ts");
const TSX = pathToFileURL(join(ROOT, "node_modules/tsx/dist/esm/index.mjs")).href;

/** The example imports the sources beside it, the README the package. */
function asPublished(source: string): string {
  return source
    .replaceAll('"../src/index.ts"', '"meshloom"')
    .replaceAll(/"\.\.\/src\/(\w+)\/index\.ts"/g, '"meshloom/$1"');
}

describe("the README's programs", () => {
  test("are the examples", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block = ""]) =>
      block.trim(),
    );
    const examples = [EXAMPLE, LOOPS].map((file) => asPublished(readFileSync(file, "utf8")).trim());
    expect(blocks).toEqual(examples);
  });

  test("the loops print what JavaScript's own loops compute", () => {
    const folder = mkdtempSync(join(tmpdir(), "meshloom-readme-"));
    const printed = execFileSync(process.execPath, ["--import", TSX, LOOPS], {
      cwd: folder,
      encoding: "utf8",
    });
    const numbers = (name: string) => {
      const [, list = ""] = new RegExp(`${name} \\[ (.*) \\]`).exec(printed) ?? [];
      return list.split(", ").map(Number);
    };
    const state = (w: number, column: number) => {
      let value = Math.sin(column);
      for (let t = 0; t < 100; t++) value = Math.tanh(value * w + Math.sin(2 * t + column));
      return value;
    };
    [0.5, 0.9].forEach((w, column) => {
      expect(numbers("state")[column]).toBeCloseTo(state(w, column), 5);
      const slope = (state(w + 1e-4, column) - state(w - 1e-4, column)) / 2e-4;
      expect(numbers("slope")[column]).toBeCloseTo(slope, 4);
    });
    expect(numbers("roots").map((x) => Math.round(1000 * x))).toEqual([1414, 3000, 100_000]);
  });

  test("the first trains, and what it exports computes the same in stock ONNX Runtime", async () => {
    const folder = mkdtempSync(join(tmpdir(), "meshloom-readme-"));
    const printed = execFileSync(process.execPath, ["--import", TSX, EXAMPLE], {
      cwd: folder,
      encoding: "utf8",
    });
    const losses = [...printed.matchAll(/loss (\S+)/g)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(5);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 10);

    const session = await ort.InferenceSession.create(join(folder, "square.onnx"));
    const xs = Float32Array.from({ length: 64 }, (_, i) => i / 31.5 - 1);
    const { y } = await session.run({ x: new ort.Tensor("float32", xs, [64, 1]) });
    const loss = xs.reduce((sum, v, i) => sum + (v * v - Number(y?.data[i])) ** 2, 0) / 64;
    // The last printed loss is from before the last of 1,001 updates.
    expect(Math.abs(loss / (losses.at(-1) ?? 1) - 1)).toBeLessThan(0.01);
  });
});

/** @file The README's program is the example, it trains, and its export runs in stock ONNX Runtime. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXAMPLE = join(ROOT, "examples", "twenty-lines.ts");

/** The example imports the sources beside it, the README the package. */
function asPublished(source: string): string {
  return source
    .replaceAll('"../src/index.ts"', '"meshloom"')
    .replaceAll(/"\.\.\/src\/(\w+)\/index\.ts"/g, '"meshloom/$1"');
}

describe("the README's program", () => {
  test("is the example", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const [, block = ""] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
    expect(block.trim()).toBe(asPublished(readFileSync(EXAMPLE, "utf8")).trim());
  });

  test("trains, and what it exports computes the same in stock ONNX Runtime", async () => {
    const folder = mkdtempSync(join(tmpdir(), "meshloom-readme-"));
    const tsx = pathToFileURL(join(ROOT, "node_modules/tsx/dist/esm/index.mjs")).href;
    const printed = execFileSync(process.execPath, ["--import", tsx, EXAMPLE], {
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

/**
 * @file Builds the example page into a folder for any static file host: `npm run build:browser -- dist-browser`.
 *
 * The bundler finds onnxruntime-web by itself; its WebAssembly lies beside the bundle, where it looks for it.
 */

import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const PAGE = fileURLToPath(new URL("../examples/browser/", import.meta.url));
/** The builds for transport "wasm" and transport "webgpu"; a page fetches the one that it uses. */
const WASM = ["ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm"];

const [folder = "dist-browser"] = process.argv.slice(2);
const out = resolve(folder);
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: [join(PAGE, "main.ts"), join(PAGE, "worker.ts")],
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  sourcemap: true,
});
await copyFile(join(PAGE, "index.html"), join(out, "index.html"));
const { resolve: find } = createRequire(import.meta.url);
for (const name of WASM) await copyFile(find(`onnxruntime-web/${name}`), join(out, name));

const kibibytes = (bytes: number) => `${(bytes / 1024).toFixed(0).padStart(6)} KiB`;
for (const name of (await readdir(out)).filter((file) => !file.endsWith(".map")).sort()) {
  const bytes = await readFile(join(out, name));
  console.log(`${kibibytes(bytes.length)}  ${kibibytes(gzipSync(bytes).length)} gzipped  ${name}`);
}

/** @file The public entry: tensors, transforms, `jit`, and engines. Layers and optimisers have entries of their own. */

export { AXIS_WORDS } from "./core/axes.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export * from "./core/errors.ts";
export type { Program } from "./core/program.ts";
export { parseProgram, printProgram } from "./core/program-text.ts";
export { verify } from "./core/verify.ts";
export { type CompileNote, onCompile, showCompileNote } from "./engines/announce.ts";
export { setDefaultEngine } from "./engines/default.ts";
export type { Compilation, CompileOptions, Engine, Executable } from "./engines/engine.ts";
export { type JitOptions, type Jitted, jit } from "./engines/jit.ts";
export { exportOnnx, saveOnnx } from "./engines/onnx/export.ts";
export { importOnnx, type OnnxFunction } from "./engines/onnx/import/import.ts";
export { createOnnxEngine, type OnnxEngineOptions } from "./engines/onnx/onnx.ts";
export { referenceEngine } from "./engines/reference/reference.ts";
export * from "./numpy/index.ts";
export { OPS, OPS_BY_NAME } from "./ops/registry.ts";
export { hessian, hvp, jacobianForward, jacobianReverse } from "./transforms/hessian.ts";
export { jvp } from "./transforms/jvp.ts";
export { simplify } from "./transforms/simplify.ts";
export {
  grad,
  linearize,
  stopGradient,
  valueAndGrad,
  valueAndGradAux,
  vjp,
} from "./transforms/vjp.ts";
export { vmap } from "./transforms/vmap.ts";

/** @file The public entry: tensors, transforms, `jit`, and engines. Layers and optimisers have entries of their own. */

export { AXIS_WORDS } from "./core/axes.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export * from "./core/errors.ts";
export { type Mesh, makeMesh, parseMesh, showMesh } from "./core/mesh.ts";
export type { Program } from "./core/program.ts";
export { parseProgram, printProgram } from "./core/program-text.ts";
export { verify } from "./core/verify.ts";
export { type CompileNote, onCompile, showCompileNote } from "./engines/announce.ts";
export { setDefaultEngine } from "./engines/default.ts";
export { createDoubleEngine } from "./engines/double.ts";
export type { Compilation, CompileOptions, Engine, Executable } from "./engines/engine.ts";
export { type JitOptions, type Jitted, jit, type LayoutSpec } from "./engines/jit.ts";
export { createMeshEngine, type MeshEngineOptions } from "./engines/mesh/mesh.ts";
export { exportOnnx, saveOnnx } from "./engines/onnx/export.ts";
export { importOnnx, type OnnxFunction } from "./engines/onnx/import/import.ts";
export { createOnnxEngine, type OnnxEngineOptions } from "./engines/onnx/onnx.ts";
export { referenceEngine } from "./engines/reference/reference.ts";
export * from "./numpy/index.ts";
export { OPS, OPS_BY_NAME } from "./ops/registry.ts";
export {
  type AnnotationOptions,
  type AxisRules,
  defaultRules,
  seedsOf,
} from "./spmd/annotations.ts";
export { type Exchange, exchangesOf, totalsOf } from "./spmd/exchanges.ts";
export { explain } from "./spmd/explain.ts";
export { type Partitioned, type PartitionOptions, partition } from "./spmd/partition.ts";
export { type Propagated, propagate } from "./spmd/propagate.ts";
export { DeviceView, type PieceSpec, type ShardMapOptions, shardMap } from "./spmd/shard-map.ts";
export { parseSharding, type Sharding, showSharding } from "./spmd/sharding.ts";
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

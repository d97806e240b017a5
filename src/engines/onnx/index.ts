/** @file The onnx engine's public entry. */

export { type ExportOptions, exportOnnx, type SaveOptions, saveOnnx } from "./export.ts";
export {
  importOnnx,
  type OnnxArgument,
  type OnnxFunction,
  type OnnxParameters,
  type OnnxPort,
} from "./import/import.ts";
export { operatorNames } from "./import/table.ts";
export { lowerToOnnx } from "./lower.ts";
export { createOnnxEngine, type OnnxEngine, type OnnxEngineOptions } from "./onnx.ts";
export { describeTransports, type TransportFinding, type TransportPreference } from "./open.ts";
export * from "./proto.ts";

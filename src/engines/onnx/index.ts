/** @file The onnx engine's public entry. */

export { type ExportOptions, exportOnnx, type SaveOptions } from "./export.ts";
export { lowerToOnnx } from "./lower.ts";
export { createOnnxEngine, type OnnxEngine, type OnnxEngineOptions } from "./onnx.ts";
export { describeTransports, type TransportFinding, type TransportPreference } from "./open.ts";
export * from "./proto.ts";

/** @file Pipelines: stages as a dimension. */

export { type PipelineOptions, pipeline } from "./pipeline.ts";
export {
  bubble,
  layersPerStage,
  type PipelineSizes,
  type Schedule,
  scheduleOf,
} from "./schedule.ts";
export { staged, stagedParams, unstaged } from "./staged.ts";

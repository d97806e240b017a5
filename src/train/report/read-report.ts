/** @file A run folder, whether or not a process is writing to it, read for its pages. */

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { basename, join, resolve } from "node:path";
import { RunError } from "../../core/errors.ts";
import { formatCount } from "../../core/text.ts";
import type { Row } from "../../plot/page.ts";
import { openPreset, restoreModel } from "../families.ts";
import { readMetrics } from "../metrics.ts";
import type { LanguageModel } from "../model.ts";
import type { Report } from "./report.ts";

interface SavedConfig {
  readonly preset: string;
  readonly family: string;
  readonly model: unknown;
  readonly training: unknown;
}

/**
 * @param about - facts to show after those of the model
 * @throws RunError when the folder has no configuration that can be read
 */
export async function readReport(folder: string, about: readonly Row[] = []): Promise<Report> {
  const config = await readConfig(folder);
  const model = await restoreModel(config);
  const sizes = model.facts();
  return {
    name: basename(resolve(folder)),
    rows: await readMetrics(join(folder, "metrics.jsonl")),
    config,
    preset: await presetOf(config.preset),
    facts: [
      ["preset", model.preset],
      ["parameters", formatCount(sizes.parameters)],
      ["activated per token", formatCount(sizes.activatedParameters)],
      ["CPU", cpus()[0]?.model ?? "unknown"],
      ...about,
    ],
  };
}

/** What the preset says of the model and its training; undefined when there is no such preset any more. */
async function presetOf(name: string): Promise<unknown> {
  const preset = await openPreset(name).catch((): LanguageModel | undefined => undefined);
  return preset === undefined ? undefined : { model: preset.model, training: preset.training };
}

async function readConfig(folder: string): Promise<SavedConfig> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw noRun(folder, cause);
  });
  try {
    const config = JSON.parse(text) as Partial<SavedConfig> | null;
    const { preset, family } = config ?? {};
    if (typeof preset === "string" && typeof family === "string") return config as SavedConfig;
    throw new Error("it has no preset and family");
  } catch (cause) {
    throw noRun(folder, cause);
  }
}

function noRun(folder: string, cause: unknown): RunError {
  return new RunError("RUN-01", `run: "${folder}" is not a run folder.`, [
    ["cause", cause instanceof Error ? cause.message : String(cause)],
    ["fix", "name a folder that `meshloom train` wrote; it prints the name at its start and end"],
  ]);
}

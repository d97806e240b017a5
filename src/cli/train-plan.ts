/** @file What a training run is made of, put together from the command line before any folder is made. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, UsageError } from "../core/errors.ts";
import { parseMesh } from "../core/mesh.ts";
import { formatBytes } from "../core/text.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { noticesOf, openTrainingData, type TrainingData } from "../data/training-data.ts";
import { createDoubleEngine } from "../engines/double.ts";
import type { Engine } from "../engines/engine.ts";
import { createMeshEngine } from "../engines/mesh/mesh.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { openModel } from "../exchange/open-model.ts";
import { exchangesOf, totalsOf } from "../spmd/exchanges.ts";
import type { Weights } from "../train/model.ts";
import {
  type ConfigFile,
  type ResolvedConfig,
  type RunSettings,
  readConfigFile,
  resolveConfig,
} from "../train/run-config.ts";
import { noRun, type RunConfig } from "../train/run-folder.ts";
import { tokenizerOfRun } from "../train/run-tokenizer.ts";
import type { CommandContext } from "./context.ts";
import { showEncoding } from "./encoding.ts";
import { readRules } from "./mesh-rules.ts";
import { settingsFrom } from "./train-options.ts";
import { versionFacts } from "./version.ts";

/** The options that say where a configuration comes from, beside the settings themselves. */
export interface Choices {
  readonly preset: string | undefined;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly config: string | undefined;
  readonly set: readonly string[];
  readonly init: string | undefined;
}

export interface TrainPlan {
  readonly config: ResolvedConfig;
  /** What `config.json` of the run holds. */
  readonly saved: RunConfig;
  readonly tokenizer: Tokenizer;
  /** Open; the caller closes it. */
  readonly data: TrainingData;
  readonly engine: { readonly engine: Engine; readonly threads: number };
  /** Weights of another run to start from. */
  readonly initial: Weights | undefined;
  /** Lines for the user. */
  readonly notes: readonly string[];
}

/**
 * All that can be wrong with a command line is found here.
 *
 * @throws ConfigError for keys and values, DataError for the corpus, RunError for the runs named
 */
export async function planTraining(
  options: Choices & Parameters<typeof settingsFrom>[0],
  context: CommandContext,
): Promise<TrainPlan> {
  const file = await baseOf(options);
  const config = await resolveConfig(options.preset, file, settingsFrom(options, options.set));
  const { model, data, run } = config;
  const reading = { field: data.field, separator: data.separator ?? undefined };
  const notes: string[] = [];
  const from = options.init === undefined ? undefined : await openModel(options.init);
  if (from !== undefined) {
    const at = from.step === undefined ? "" : `, step ${from.step}`;
    notes.push(...from.warnings, `starts from the weights of ${options.init}${at}`);
  }
  const tokenizer = await tokenizerOfRun({
    ...reading,
    ...{ tokenizer: data.tokenizer, data: data.name, vocab: model.vocab },
    resumed: options.resume ? options.out : undefined,
    // Weights know only the tokens that they were trained with.
    given: from?.tokenizer,
    onNotice: context.log,
  });
  const engine = await engineOf(run, context);
  const { batch, length } = model.training;
  const encoding = showEncoding(context);
  const opened = await openTrainingData({
    ...reading,
    ...{ data: data.name, onInvalid: data.invalid, packed: data.packed, seed: data.seed },
    ...{ tokenizer, vocab: model.vocab, batch, length },
    onProgress: encoding.onProgress,
    onNotice: context.log,
  }).finally(encoding.end);
  notes.push(...noteOtherData(file, data.name, opened), ...noticesOf(opened));
  return {
    config,
    saved: savedConfig(config, tokenizer, opened),
    data: opened,
    tokenizer,
    engine: { engine, threads: run.threads },
    initial: from?.weights,
    notes,
  };
}

/** What computes: one device, or a mesh of them in this process, which tells what its devices exchange. */
async function engineOf(
  { engine, mesh, rules }: RunSettings,
  { log }: CommandContext,
): Promise<Engine> {
  const device = engine === "reference" ? referenceEngine : await createOnnxEngine();
  const all = mesh === "" ? device : await meshOf(device, mesh, rules, log);
  return engine === "onnx-float64" ? createDoubleEngine(all) : all;
}

async function meshOf(
  device: Engine,
  mesh: string,
  rules: string,
  log: CommandContext["log"],
): Promise<Engine> {
  const devices = parseMesh(mesh);
  return createMeshEngine(device, {
    ...{ mesh: devices, rules: await readRules(devices, rules) },
    onPartitioned({ program }) {
      const totals = totalsOf(exchangesOf(program)).map(
        ({ kind, count, bytes }) => `${count} ${kind} (${formatBytes(bytes)})`,
      );
      log(`${program.name} on ${mesh}: ${totals.length > 0 ? totals.join(", ") : "no exchange"}`);
    },
  });
}

/** The file under the settings: what `--config` names, or the configuration of the run to resume. */
async function baseOf(options: Choices): Promise<ConfigFile | undefined> {
  const { out, resume, config, preset } = options;
  if (config !== undefined) {
    const file = await readConfigFile(config);
    if (file !== undefined) return file;
    throw new ConfigError("CONFIG-01", `config: there is no file ${config}.`, [
      ["fix", "give a JSON file of the form of a run's config.json"],
    ]);
  }
  if (preset === undefined && !resume) {
    throw new UsageError("USAGE-01", "train: <preset> is missing.", [
      ["preset", "model, sizes and recipe together, e.g. glam-nano"],
      ["or", "--config with a file, or --out with the folder of a run and --resume"],
    ]);
  }
  if (!resume || out === undefined) return undefined;
  const file = await readConfigFile(join(out, "config.json"));
  if (file === undefined && preset === undefined) throw noRun(out);
  return file;
}

/** A configuration gives the same run again only over the same text. */
function noteOtherData(file: ConfigFile | undefined, name: string, data: TrainingData): string[] {
  const saved = file?.content["data"] as { name?: unknown; sha256?: unknown } | undefined;
  const changed = saved?.name === name && saved.sha256 !== undefined;
  return changed && saved.sha256 !== data.sha256
    ? [`${name} is not the text that ${file?.path} was saved with`]
    : [];
}

/** What `config.json` holds: a `--config` file for the same run again, and facts about its data. */
function savedConfig(
  config: ResolvedConfig,
  tokenizer: Tokenizer,
  { sha256 }: TrainingData,
): RunConfig {
  const { preset, family, model, data, run, differences } = config;
  const { batch, length } = model.training;
  return {
    preset,
    family,
    model: model.model,
    training: model.training,
    data: {
      ...data,
      sha256,
      vocab: tokenizer.vocab,
      fingerprint: tokenizer.fingerprint(),
      length,
      batch,
    },
    run,
    differences: Object.fromEntries(
      differences.map(({ key, before, now }) => [key, { preset: before, run: now }]),
    ),
    meshloom: versionFacts(fileURLToPath(new URL("../../", import.meta.url))).version,
  };
}

/**
 * @file The configuration of a run: a preset, changed by a file, changed by single settings.
 *
 * Sections: `model` and `training` are the model family's; `data` says what is read, `run` how long,
 * how often and where it computes. The resolved configuration is what `config.json` of a run holds,
 * and a file of that form is what `--config` takes.
 */

import { z } from "zod";
import { ConfigError, suggestion } from "../core/errors.ts";
import { ifPresent } from "../files/disk.ts";
import { readSmall } from "../files/read.ts";
import { type ConfigChange, changesBetween, isRecord } from "./config-changes.ts";
import { familyOf, openPreset, restoreModel } from "./families.ts";
import type { LanguageModel } from "./model.ts";
import { readStrict } from "./strict.ts";

/** What is read. */
export interface DataSettings {
  /** Corpora by name or path, with shares: `books:0.7,notes.txt:0.3`. */
  readonly name: string;
  /** `byte`, `bpe` or `unigram` (learned when the run begins), or the path of a `tokenizer.json`. */
  readonly tokenizer: string;
  /** Whether whole documents stand side by side in a sequence. */
  readonly packed: boolean;
  /** Field of JSON records that holds the text. */
  readonly field: string;
  /** What stands between documents of a text file; null where each file is one. */
  readonly separator: string | null;
  /** What to do at bytes that are no UTF-8. */
  readonly invalid: "stop" | "replace";
  /** Fixes weights, data order and what steps draw. */
  readonly seed: number;
}

/** How long, how often, and where it computes. */
export interface RunSettings {
  /** Steps between checkpoints. */
  readonly saveEvery: number;
  /** Newest checkpoints that stay. */
  readonly keep: number;
  /** Checkpoints of steps that this divides stay for good; 0 for none. */
  readonly keepEvery: number;
  /** Steps between evaluations; 0 for the end only. */
  readonly evalEvery: number;
  /** Steps between samples; 0 for the end only. */
  readonly sampleEvery: number;
  /** Evaluations without improvement after which training stops; 0 for never. */
  readonly patience: number;
  /** Nats per token by which an evaluation must be better to count as an improvement. */
  readonly minDelta: number;
  /** Minutes of training in all, those of earlier sessions included; 0 for no limit. */
  readonly maxMinutes: number;
  /** Start of the samples. */
  readonly prompt: string;
  /** Tokens that a sample adds; 0 for no samples. */
  readonly sampleTokens: number;
  /** Whether event files for TensorBoard are written into the run folder. */
  readonly tensorboard: boolean;
  readonly engine: (typeof ENGINES)[number];
  /** Of one computation; 0 for one per core. */
  readonly threads: number;
  /** Devices in this process, `data=2,model=2`; empty for one. */
  readonly mesh: string;
  /** Which mesh axes split which axis words, `batch=data,mlp=model`; empty for the usual ones. */
  readonly rules: string;
}

/** What can compute a run, as `--engine` names it. */
export const ENGINES = ["onnx", "onnx-float64", "reference"] as const;

const whole = z.int().nonnegative();
const dataSchema: z.ZodType<DataSettings> = z.strictObject({
  name: z.string(),
  tokenizer: z.string(),
  packed: z.boolean(),
  field: z.string(),
  separator: z.string().nullable(),
  invalid: z.enum(["stop", "replace"]),
  seed: whole,
});
const runSchema: z.ZodType<RunSettings> = z.strictObject({
  saveEvery: z.int().positive(),
  keep: z.int().positive(),
  keepEvery: whole,
  evalEvery: whole,
  sampleEvery: whole,
  patience: whole,
  minDelta: z.number().nonnegative(),
  maxMinutes: z.number().nonnegative(),
  prompt: z.string(),
  sampleTokens: whole,
  tensorboard: z.boolean(),
  engine: z.enum(ENGINES),
  threads: whole,
  mesh: z.string(),
  rules: z.string(),
});

export const RUN_DEFAULTS: RunSettings = {
  saveEvery: 100,
  keep: 2,
  keepEvery: 0,
  evalEvery: 100,
  sampleEvery: 0,
  patience: 0,
  minDelta: 0,
  maxMinutes: 0,
  prompt: "The whale",
  sampleTokens: 200,
  tensorboard: false,
  engine: "onnx",
  threads: 0,
  mesh: "",
  rules: "",
};
export const DATA_DEFAULTS: DataSettings = {
  name: "moby-dick",
  tokenizer: "byte",
  packed: false,
  field: "text",
  separator: null,
  invalid: "stop",
  seed: 0,
};

/** Facts that a saved configuration holds beside what can be set; they are worked out anew. */
const DERIVED_DATA = ["sha256", "vocab", "fingerprint", "length", "batch"];
const DERIVED = ["family", "differences", "meshloom"];
const SECTIONS = ["model", "training", "data", "run"] as const;
/** Bytes. */
const LARGEST_FILE = 2 ** 24;

/** One setting: its section and keys, and its value. */
export interface Setting {
  /** For example `training.learningRate`. */
  readonly key: string;
  readonly value: unknown;
}

/** A file of the form of `config.json`, read but not yet checked. */
export interface ConfigFile {
  readonly path: string;
  readonly content: Readonly<Record<string, unknown>>;
}

export interface ResolvedConfig {
  readonly preset: string;
  readonly family: string;
  readonly model: LanguageModel;
  readonly data: DataSettings;
  readonly run: RunSettings;
  /** What differs from the preset. */
  readonly differences: readonly ConfigChange[];
}

/**
 * The configuration: preset, then file, then settings, later ones over earlier ones.
 *
 * @param preset - its name; the file's when undefined
 * @throws ConfigError naming every key that is unknown, misplaced or has a value out of its range
 */
export async function resolveConfig(
  preset: string | undefined,
  file: ConfigFile | undefined,
  settings: readonly Setting[],
): Promise<ResolvedConfig> {
  const name = presetOf(preset, file);
  const base = await openPreset(name);
  const origin = {
    model: base.model,
    training: base.training,
    data: { ...DATA_DEFAULTS, ...base.defaults?.data },
    run: { ...RUN_DEFAULTS, ...base.defaults?.run },
  };
  const known = Object.fromEntries(
    SECTIONS.map((section) => [section, Object.keys(origin[section])]),
  );
  const merged: Record<string, unknown> = { ...origin };
  for (const section of SECTIONS)
    merged[section] = { ...baseOf(section, origin, file), ...sectionOf(file, section) };
  for (const { key, value } of settings) set(merged, key, value);
  for (const section of SECTIONS) refuseMisplaced(section, merged[section], known);
  const family = await familyOf(name);
  const { model: sizes, training } = merged;
  const model = await restoreModel({ preset: name, family, model: sizes, training });
  return {
    preset: name,
    family,
    model,
    data: readStrict(dataSchema, merged["data"], "data", "a run"),
    run: readStrict(runSchema, merged["run"], "run", "a run"),
    differences: changesBetween(
      { model: base.model, training: base.training },
      { model: model.model, training: model.training },
    ),
  };
}

/**
 * Reads a configuration file.
 *
 * @returns undefined when there is no such file
 * @throws ConfigError when it is no JSON object, or has sections that are unknown
 */
export async function readConfigFile(path: string): Promise<ConfigFile | undefined> {
  let content: unknown;
  try {
    const text = await ifPresent(readSmall(path, LARGEST_FILE));
    if (text === undefined) return undefined;
    content = JSON.parse(text);
    if (!isRecord(content)) throw new SyntaxError("it is no JSON object");
  } catch (cause) {
    throw new ConfigError("CONFIG-01", `config: ${path} cannot be read.`, [
      ["cause", (cause as Error).message],
      ["fix", "give a JSON file of the form of a run's config.json"],
    ]);
  }
  const known = ["preset", ...SECTIONS, ...DERIVED];
  for (const key of Object.keys(content)) {
    if (known.includes(key)) continue;
    throw new ConfigError("CONFIG-01", `config: ${path} has a section "${key}".`, [
      ["fix", suggestion(key, known)],
    ]);
  }
  return { path, content };
}

/**
 * `section.key=value` as it stands on a command line. The value is JSON, or else text.
 *
 * @throws ConfigError when there is no `=` or no known section
 */
export function parseSetting(text: string): Setting {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  const section = key.split(".")[0] ?? "";
  if (equals < 0 || !key.includes(".") || !(SECTIONS as readonly string[]).includes(section)) {
    throw new ConfigError("CONFIG-01", `config: "${text}" is no setting.`, [
      ["form", "section.key=value, for example training.clip=0.5"],
      ["sections", SECTIONS.join(", ")],
    ]);
  }
  return { key, value: parseValue(text.slice(equals + 1)) };
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function presetOf(given: string | undefined, file: ConfigFile | undefined): string {
  const saved = file?.content["preset"];
  if (given !== undefined && saved !== undefined && given !== saved) {
    throw new ConfigError("CONFIG-01", `config: ${file?.path} is of another preset.`, [
      ["there", String(saved)],
      ["given", given],
      ["fix", `leave out "${given}", or take another file or folder`],
    ]);
  }
  const name = given ?? saved;
  if (typeof name === "string") return name;
  throw new ConfigError(
    "CONFIG-01",
    `config: ${file?.path ?? "the command line"} names no preset.`,
    [["fix", "name one, for example: meshloom train glam-nano"]],
  );
}

/**
 * What a file's section lies over. A file that a run wrote says all of its model and training: what it
 * leaves out was left out then, whatever the preset says now.
 */
function baseOf(
  section: string,
  origin: Readonly<Record<string, object>>,
  file: ConfigFile | undefined,
): object {
  const whole = file?.content["meshloom"] !== undefined && file.content[section] !== undefined;
  return whole && (section === "model" || section === "training") ? {} : (origin[section] ?? {});
}

function sectionOf(
  file: ConfigFile | undefined,
  section: string,
): Readonly<Record<string, unknown>> {
  const found = file?.content[section] ?? {};
  if (!isRecord(found)) {
    throw new ConfigError("CONFIG-01", `config: "${section}" of ${file?.path} is no JSON object.`);
  }
  if (section !== "data") return found;
  return Object.fromEntries(Object.entries(found).filter(([key]) => !DERIVED_DATA.includes(key)));
}

/**
 * Puts a value at a dotted key. On the way down, a word stands for the record of that `name`, as an
 * optimiser without options does.
 */
function set(sections: Record<string, unknown>, key: string, value: unknown): void {
  const words = key.split(".");
  const last = words.pop() ?? "";
  const parent = words.reduce<Record<string, unknown>>((at, word) => {
    const below = at[word];
    // A copy: the value may be a preset's own.
    const copy = typeof below === "string" ? { name: below } : isRecord(below) ? { ...below } : {};
    at[word] = copy;
    return copy;
  }, sections);
  parent[last] = value;
}

/** A key that only another section has; what no section has, the schemas refuse. */
function refuseMisplaced(
  section: string,
  value: unknown,
  known: Readonly<Record<string, readonly string[]>>,
): void {
  for (const key of Object.keys(isRecord(value) ? value : {})) {
    const home = Object.keys(known).find((name) => known[name]?.includes(key));
    if (home === undefined || known[section]?.includes(key)) continue;
    throw new ConfigError(
      "CONFIG-01",
      `config: "${section}.${key}" is in the wrong section; it belongs to "${home}".`,
      [["fix", `write ${home}.${key}`]],
    );
  }
}

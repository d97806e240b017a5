/** @file Options that say how tokens are chosen, for every command that writes text. */

import { UsageError } from "../core/errors.ts";
import type { SamplingOptions } from "../generate/sampling/options.ts";
import type { NumberOption, OptionValues } from "./options.ts";

interface Amount extends NumberOption {
  readonly default: number;
}

interface Text {
  readonly type: "string";
  readonly default: string;
  readonly valueName: string;
  readonly help: string;
}

type SamplingTable = Readonly<
  Record<
    | "temperature"
    | "topK"
    | "topP"
    | "minP"
    | "typicalP"
    | "repetitionPenalty"
    | "presencePenalty"
    | "frequencyPenalty"
    | "noRepeatNgram"
    | "seed",
    Amount
  > &
    Record<"logitBias" | "banned", Text>
>;

/** Rows for a command's table; with their defaults only temperature and top-p do anything. */
export const SAMPLING_OPTIONS: SamplingTable = {
  temperature: {
    type: "float",
    default: 0.7,
    min: 0,
    help: "above 1 wilder, below 1 tamer, 0 always the likeliest token",
  },
  topK: {
    type: "int",
    default: 0,
    min: 0,
    unit: "tokens",
    help: "choose among the k likeliest; 0 for all",
  },
  topP: {
    type: "float",
    default: 0.95,
    above: 0,
    max: 1,
    help: "choose among the likeliest that reach this share together",
  },
  minP: {
    type: "float",
    default: 0,
    min: 0,
    max: 1,
    help: "choose among those at least this share as likely as the likeliest",
  },
  typicalP: {
    type: "float",
    default: 1,
    above: 0,
    max: 1,
    help: "choose among the typical that reach this share together",
  },
  repetitionPenalty: {
    type: "float",
    default: 1,
    above: 0,
    help: "above 1: what was said before, in the prompt too, becomes less likely",
  },
  presencePenalty: {
    type: "float",
    default: 0,
    min: -2,
    max: 2,
    help: "off the logit of every token that the answer holds",
  },
  frequencyPenalty: {
    type: "float",
    default: 0,
    min: -2,
    max: 2,
    help: "off a token's logit as often as the answer holds it",
  },
  noRepeatNgram: {
    type: "int",
    default: 0,
    min: 0,
    unit: "tokens",
    help: "no run of so many tokens comes twice; 0 for no such rule",
  },
  logitBias: {
    type: "string",
    default: "",
    valueName: "id=bias,…",
    help: "added to logits of tokens",
  },
  banned: { type: "string", default: "", valueName: "id,…", help: "tokens that never come" },
  seed: { type: "int", default: 0, min: 0, help: "fixes the choices" },
};

/** @throws UsageError for lists that cannot be read */
export function samplingFrom(
  options: OptionValues<SamplingTable, []>,
): Omit<SamplingOptions, "forced"> {
  const { logitBias, banned, ...rest } = options;
  return {
    ...rest,
    banned: listOf(banned).map((word) => numberOf("--banned", word)),
    logitBias: new Map(
      listOf(logitBias).map((word) => {
        const [id = "", bias = ""] = word.split("=");
        return [numberOf("--logit-bias", id), numberOf("--logit-bias", bias)];
      }),
    ),
  };
}

function listOf(text: string): string[] {
  return text === "" ? [] : text.split(",");
}

function numberOf(option: string, word: string): number {
  const value = word.trim() === "" ? Number.NaN : Number(word);
  if (Number.isFinite(value)) return value;
  throw new UsageError("USAGE-01", `${option}: "${word}" is not a number.`, [
    ["expected", option === "--banned" ? "token ids: 10,13" : "token ids with numbers: 10=-5,13=2"],
  ]);
}

/**
 * Texts at which an answer ends: one, in which `\n`, `\t` and `\\` may stand, or a JSON list.
 *
 * @throws UsageError for a list that is none
 */
export function stopsFrom(text: string): string[] {
  if (text === "") return [];
  if (!text.startsWith("[")) {
    const letters: Record<string, string> = { n: "\n", t: "\t", "\\": "\\" };
    return [text.replace(/\\([nt\\])/g, (_, letter: string) => letters[letter] ?? letter)];
  }
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (Array.isArray(list) && list.every((one) => typeof one === "string" && one !== ""))
    return list as string[];
  throw new UsageError("USAGE-01", `--stop: ${text} is not a list of texts.`, [
    ["expected", 'one text, or a JSON list such as ["\\n\\n", "END"]'],
  ]);
}

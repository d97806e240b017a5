/**
 * @file What happens to a text before the model, for the kinds that have a fast way here.
 *
 * Anything that is not written below is left to the package: the answer is then `undefined`.
 */

import { fallbackPiece } from "./byte-level.ts";
import type { BpeModelFile, Component, TokenizerFile } from "./file.ts";
import { safePattern } from "./patterns.ts";
import {
  dontSplit,
  META,
  type Splitter,
  splitAtMeta,
  splitAtMetaRuns,
  splitByPattern,
  splitterOf,
  wholeSplitter,
} from "./splitting.ts";

export interface Pipeline {
  /** The text as the splitter gets it. `first`: whether it is the beginning of the whole text. */
  readonly prepare: (text: string, first: boolean) => string;
  readonly split: Splitter;
  /** Whether words are spelled in bytes before the model. */
  readonly byteLevel: boolean;
}

export function pipelineOf(file: TokenizerFile, name: string): Pipeline | undefined {
  const { model, normalizer, preTokenizer } = file;
  if (model.type !== "BPE" && model.type !== "Unigram") return undefined;
  if (model.type === "BPE" && model.marked) return undefined;
  const normalise = normaliserOf(normalizer);
  if (normalise === undefined) return undefined;
  // Such tokens are looked for after normalising.
  const changing = normalizer !== undefined;
  if (changing && file.added.some((token) => token.normalized && !token.special)) return undefined;
  const split = splittingOf(preTokenizer, file, name);
  if (split === undefined) return undefined;
  return { ...split, prepare: (text, first) => split.prepare(normalise(text), first) };
}

function partsOf(component: Component, key: string): readonly Component[] {
  return component.type === "Sequence"
    ? ((component[key] as Component[] | undefined) ?? [])
    : [component];
}

function normaliserOf(component: Component | undefined): ((text: string) => string) | undefined {
  if (component === undefined) return (text) => text;
  const steps = partsOf(component, "normalizers").map((part) => normaliserStep(part));
  if (steps.includes(undefined)) return undefined;
  return (text) => steps.reduce((before, step) => step?.(before) ?? before, text);
}

function normaliserStep(part: Component): ((text: string) => string) | undefined {
  switch (part.type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = part.type;
      return (text) => text.normalize(form);
    }
    case "Prepend": {
      const { prepend } = part;
      if (typeof prepend !== "string") return undefined;
      return (text) => (text === "" ? "" : prepend + text);
    }
    case "Replace": {
      const from = (part["pattern"] as { readonly String?: unknown } | undefined)?.String;
      const to = part["content"];
      if (typeof from !== "string" || from === "" || typeof to !== "string") return undefined;
      return (text) => text.replaceAll(from, () => to);
    }
    default:
      return undefined;
  }
}

type Split = Pipeline;
const asItIs = (text: string): string => text;

function splittingOf(
  component: Component | undefined,
  file: TokenizerFile,
  name: string,
): Split | undefined {
  if (component === undefined) {
    const split = meetsNoSpace(file) ? splitAtMetaRuns : dontSplit;
    return { prepare: asItIs, split, byteLevel: false };
  }
  if (component.type === "Metaspace") return metaspace(component);
  const parts = [...partsOf(component, "pretokenizers")];
  const last = parts.pop();
  if (last?.type !== "ByteLevel") return undefined;
  const splitters = parts.map((part) => patternSplitter(part, name));
  if (last["use_regex"] !== false) splitters.push(splitterOf("gpt2"));
  if (splitters.includes(undefined)) return undefined;
  const spaced = last["add_prefix_space"] === true;
  // A space is put before each word of an earlier split, not before the text: rare, and left alone.
  if (spaced && parts.length > 0) return undefined;
  return {
    prepare: spaced ? (text) => (text === "" || text.startsWith(" ") ? text : ` ${text}`) : asItIs,
    split: (splitters as Splitter[]).reduce(chained, dontSplit),
    byteLevel: true,
  };
}

/** Splits what another splitter has split. */
function chained(first: Splitter, second: Splitter): Splitter {
  if (first === dontSplit) return second;
  return (text, emit) => first(text, (whole, start, end) => second(whole.slice(start, end), emit));
}

function patternSplitter(part: Component, name: string): Splitter | undefined {
  const source = (part["pattern"] as { readonly Regex?: unknown } | undefined)?.Regex;
  const isolated = part["behavior"] === "Isolated" && part["invert"] !== true;
  if (part.type !== "Split" || typeof source !== "string" || !isolated) return undefined;
  return wholeSplitter(source) ?? splitByPattern(safePattern(source, name));
}

function metaspace(component: Component): Split | undefined {
  const { replacement, prepend_scheme: scheme, split = true } = component;
  if (replacement !== META) return undefined;
  const prepended = (text: string): string => (text.startsWith(META) ? text : META + text);
  const marked = (text: string): string => text.replaceAll(" ", META);
  const schemes: Readonly<Record<string, Split["prepare"]>> = {
    never: marked,
    always: (text) => (text === "" ? "" : prepended(marked(text))),
    first: (text, first) => (text === "" ? "" : first ? prepended(marked(text)) : marked(text)),
  };
  const before = component["add_prefix_space"] === false ? "never" : "always";
  const prepare = schemes[typeof scheme === "string" ? scheme : before];
  if (prepare === undefined) return undefined;
  return { prepare, split: split === false ? dontSplit : splitAtMeta, byteLevel: false };
}

/**
 * Whether no piece goes on after something else with `▁`: cutting there then changes nothing, and words
 * can be remembered. Unknown neighbours that become one must not be cut apart either.
 */
function meetsNoSpace({ model }: TokenizerFile): boolean {
  if (model.type !== "BPE" || !separates(model)) return false;
  for (const piece of model.vocab.keys()) if (/[^▁]▁/.test(piece)) return false;
  return true;
}

function separates({ vocab, byteFallback, fuseUnknown, unknown }: BpeModelFile): boolean {
  const bytes = Array.from({ length: 256 }, (_, byte) => fallbackPiece(byte));
  const covered = byteFallback && bytes.every((piece) => vocab.has(piece));
  return covered || !fuseUnknown || unknown === undefined;
}

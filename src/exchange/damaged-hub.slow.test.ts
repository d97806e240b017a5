/** @file 300 folders in the Hub's form with one thing wrong: each is refused with what is wrong, or loads as it was. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { MeshloomError } from "../core/errors.ts";
import { sampleStream } from "../core/samples.ts";
import { namedLeaves } from "../core/tree.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../train/safetensors.ts";
import { openModel } from "./open-model.ts";

const RECORDED = fileURLToPath(new URL("../../test/recorded/hub/", import.meta.url));
const SOURCES = ["mixtral", "llama-gqa"] as const;
const scratch = mkdtempSync(join(tmpdir(), "meshloom-damaged-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A copy of a folder, and dice for what happens to it. */
interface Patient {
  readonly folder: string;
  /** A whole number from 0 to below `n`. */
  roll(n: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Damages the folder. @returns what the complaint must say */
type Damage = (patient: Patient) => RegExp;

const shardsOf = ({ folder }: Patient) =>
  readdirSync(folder).filter((name) => /^model.*\.safetensors$/.test(name));

function editJson(path: string, edit: (value: Record<string, unknown>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  edit(value);
  writeFileSync(path, JSON.stringify(value));
}

/** Replaces the tensors of one file, which stays a whole file. */
function editTensors(
  patient: Patient,
  edit: (tensors: readonly NamedTensor[], chosen: NamedTensor) => readonly NamedTensor[],
): NamedTensor {
  const path = join(patient.folder, patient.pick(shardsOf(patient)));
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
  const chosen = patient.pick(tensors);
  writeFileSync(path, encodeSafetensors(edit(tensors, chosen), metadata));
  return chosen;
}

const config = ({ folder }: Patient) => join(folder, "config.json");
const escaped = (name: string) => new RegExp(name.replaceAll(".", "\\."));

const DAMAGES: Readonly<Record<string, Damage>> = {
  "a file is missing": (p) => {
    const file = p.pick([...shardsOf(p), "config.json", "tokenizer.json"]);
    rmSync(join(p.folder, file));
    return file.startsWith("model") ? /lacks 1 of|has no weights/ : escaped(file);
  },
  "a file is cut off": (p) => {
    const path = join(p.folder, p.pick(shardsOf(p)));
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, p.roll(bytes.length)));
    return /safetensors/;
  },
  "a tensor is missing": (p) =>
    escaped(editTensors(p, (all, chosen) => all.filter((one) => one !== chosen)).name),
  "there is a tensor too many": (p) => {
    editTensors(p, (all, chosen) => [...all, { ...chosen, name: "model.layers.9.odd.weight" }]);
    return /model\.layers\.9\.odd\.weight/;
  },
  "a tensor has another name": (p) =>
    escaped(
      editTensors(p, (all, chosen) =>
        all.map((one) => (one === chosen ? { ...one, name: `${one.name}s` } : one)),
      ).name,
    ),
  "a tensor has another shape": (p) =>
    escaped(
      editTensors(p, (all, chosen) =>
        all.map((one) =>
          one === chosen ? { ...one, dims: [1, one.dims.reduce((a, b) => a * b, 1)] } : one,
        ),
      ).name,
    ),
  "a tensor is of integers": (p) => {
    const chosen = editTensors(p, (all, one) =>
      all.map((each) =>
        each === one ? { ...each, dtype: "int32", data: new Int32Array(each.data.length) } : each,
      ),
    );
    return new RegExp(`${escaped(chosen.name).source}" is int32`);
  },
  "the index is wrong": (p) => {
    const path = join(p.folder, "model.safetensors.index.json");
    if (!readdirSync(p.folder).includes("model.safetensors.index.json")) {
      rmSync(join(p.folder, "model.safetensors"));
      writeFileSync(path, JSON.stringify({ weight_map: {} }));
      return /lists no tensor/;
    }
    const kind = p.roll(5);
    editJson(path, (value) => {
      const map = value["weight_map"] as Record<string, string>;
      const name = p.pick(Object.keys(map));
      if (kind === 0) delete map[name];
      if (kind === 1) map[`${name}.more`] = map[name] ?? "";
      if (kind === 2) map[name] = "model-00009-of-00003.safetensors";
      if (kind === 3) map[name] = "../model-00001-of-00003.safetensors";
      if (kind === 4) value["weight_map"] = Object.keys(map);
    });
    return [/do not agree/, /do not agree/, /lacks 1 of/, /outside its folder/, /no weight_map/][
      kind
    ] as RegExp;
  },
  "a key of the configuration is misspelt": (p) => {
    const key = p.pick(["hidden_size", "num_hidden_layers", "vocab_size", "rms_norm_eps"]);
    editJson(config(p), (value) => {
      const at = 1 + p.roll(key.length - 2);
      value[key.slice(0, at) + key.slice(at + 1)] = value[key];
      delete value[key];
    });
    return escaped(key);
  },
  "a size of the configuration is another": (p) => {
    const key = p.pick(["hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"]);
    editJson(config(p), (value) => {
      value[key] = Number(value[key]) + 1 + p.roll(3);
    });
    return /not those of its config\.json|do not fit together/;
  },
  "a value of the configuration is of another kind": (p) => {
    const key = p.pick(["hidden_size", "num_attention_heads", "tie_word_embeddings", "vocab_size"]);
    editJson(config(p), (value) => {
      value[key] = p.pick(["16", [16], { a: 1 }, -4, 2.5]);
    });
    return escaped(key);
  },
  "the type is unknown": (p) => {
    editJson(config(p), (value) => {
      value["model_type"] = p.pick(["gpt2", "mixtrall", "", 7, null]);
    });
    return /model_type/;
  },
  "the tokenizer has more tokens than the model": (p) => {
    editJson(join(p.folder, "tokenizer.json"), (value) => {
      const { vocab } = value["model"] as { vocab: Record<string, number> };
      for (let i = 0; i <= p.roll(9); i++) vocab[`more${i}`] = 64 + i;
    });
    return /does not belong to its model/;
  },
  "texts end at a token that is not there": (p) => {
    editJson(join(p.folder, "generation_config.json"), (value) => {
      value["eos_token_id"] = p.pick([64, [1, 999], -1, "</s>"]);
    });
    return /generat|ends texts/;
  },
  "a JSON file is torn": (p) => {
    const file = p.pick(["config.json", "tokenizer.json", "generation_config.json"]);
    const text = readFileSync(join(p.folder, file), "utf8");
    writeFileSync(join(p.folder, file), text.slice(0, 1 + p.roll(text.trimEnd().length - 2)));
    return /not JSON/;
  },
};

/** A byte anywhere: what comes of it depends on where it fell. */
function flipBit({ folder, roll, pick }: Patient): void {
  const files = readdirSync(folder).filter((name) => name !== "expected.safetensors");
  const path = join(folder, pick(files));
  const bytes = readFileSync(path);
  const at = roll(Math.min(bytes.length, 3000));
  bytes[at] = (bytes[at] ?? 0) ^ (1 << roll(8));
  writeFileSync(path, bytes);
}

function patientOf(seed: number): Patient {
  const next = sampleStream(seed);
  const roll = (n: number) => Math.floor(n * next());
  const folder = join(scratch, String(seed));
  cpSync(join(RECORDED, SOURCES[seed % SOURCES.length] ?? "mixtral"), folder, { recursive: true });
  return {
    folder,
    roll,
    pick: <T>(list: readonly T[]): T => list[roll(list.length)] as T,
  };
}

/** What opening gives: the complaint, or the weights' forms. */
async function opening(folder: string): Promise<MeshloomError | readonly string[]> {
  try {
    const { weights } = await openModel(folder);
    return namedLeaves(weights).map(({ path, leaf }) => `${path} ${leaf.dims}`);
  } catch (error) {
    if (error instanceof MeshloomError) return error;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("a folder of the Hub", () => {
  const ROUNDS = 15;
  test.each(Object.entries(DAMAGES))("in which %s says so", async (name, damage) => {
    const first = 1000 * (1 + Object.keys(DAMAGES).indexOf(name));
    for (let seed = first; seed < first + ROUNDS; seed++) {
      const patient = patientOf(seed);
      const words = damage(patient);
      const result = await opening(patient.folder);
      expect(result, `seed ${seed}`).toBeInstanceOf(MeshloomError);
      expect((result as MeshloomError).message, `seed ${seed}`).toMatch(words);
      expect((result as MeshloomError).headline.split("\n").length).toBe(1);
    }
  });

  test("in which one bit of a file is flipped is refused in our words, or loads with its forms", async () => {
    const whole = new Map<string, readonly string[]>();
    for (const source of [0, 1]) {
      const { folder } = patientOf(source);
      whole.set(SOURCES[source] ?? "", (await opening(folder)) as readonly string[]);
    }
    let refused = 0;
    for (let seed = 100; seed < 175; seed++) {
      const patient = patientOf(seed);
      flipBit(patient);
      const result = await opening(patient.folder);
      if (result instanceof MeshloomError) refused++;
      else expect(result).toEqual(whole.get(SOURCES[seed % 2] ?? ""));
    }
    expect(refused).toBeGreaterThan(20);
  });
});

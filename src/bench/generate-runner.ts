/** @file Our side of `bench generate`: a process that answers requests on stdin, as its peer does. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { readAnswer } from "../generate/answer.ts";
import { type DecoderPrograms, decoderPrograms } from "../generate/decoder.ts";
import { GenerationEngine } from "../generate/engine.ts";
import { promptIds } from "../generate/generator.ts";
import type { DecodingWeights } from "../generate/model.ts";
import { PLAIN } from "../generate/sampling/options.ts";
import { restoreModel } from "../train/families.ts";
import { decodeSafetensors } from "../train/safetensors.ts";
import { stateFrom } from "../train/state.ts";
import { abstract, trace } from "../transforms/trace.ts";

/** What both sides read. */
export interface GenerateConfig {
  readonly preset: string;
  readonly family: string;
  readonly model: unknown;
  readonly training: unknown;
  /** Path of a safetensors file with `params/…` and `extra/…`. */
  readonly weights: string;
  /** Token ids, all of one length. */
  readonly prompts: readonly (readonly number[])[];
  /** Tokens written after each. */
  readonly tokens: number;
  readonly threads: number;
}

interface Request {
  readonly do: string;
  readonly batch: number;
  readonly tokens: number;
}

/** Serves requests until `quit` or the end of stdin. */
export async function serveGenerateRunner(configPath: string): Promise<void> {
  const config = JSON.parse(readFileSync(configPath, "utf8")) as GenerateConfig;
  let writer: Writer | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if (request.do === "quit") return;
    if (request.do === "load") {
      writer = await Writer.open(config);
      answer({ ok: true, version: writer.version });
    } else if (request.do === "generate" && writer !== undefined)
      answer(await writer.write(request.batch, request.tokens));
    else answer({ error: `unknown request ${request.do}` });
  }
}

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

class Writer {
  readonly version: string;
  readonly #config: GenerateConfig;
  readonly #programs: DecoderPrograms;
  readonly #weights: DecodingWeights;
  readonly #tokenizer: Tokenizer;

  private constructor(
    config: GenerateConfig,
    programs: DecoderPrograms,
    weights: DecodingWeights,
    vocab: number,
    version: string,
  ) {
    this.#config = config;
    this.#programs = programs;
    this.#weights = weights;
    this.#tokenizer = idsAsText(vocab);
    this.version = version;
  }

  static async open(config: GenerateConfig): Promise<Writer> {
    const { preset, family, training, threads } = config;
    const model = await restoreModel({ preset, family, model: config.model, training });
    const { result } = trace("initial", (key: Tensor) => model.initial(key), [
      abstract(aval("uint32", [2])),
    ]);
    const { tensors } = decodeSafetensors(readFileSync(config.weights), config.weights);
    const like = { params: result.params as object, extra: result.extra as object };
    const engine = await createOnnxEngine();
    const { name, version } = engine.transport;
    return new Writer(
      config,
      decoderPrograms(model, { engine, threads }),
      stateFrom(like, tensors, config.weights),
      model.vocab,
      `onnxruntime ${version}, ${name}`,
    );
  }

  /** Greedy answers to the first prompts, all at once. */
  async write(batch: number, tokens: number): Promise<object> {
    const engine = new GenerationEngine(this.#programs.with(this.#weights), this.#tokenizer, {
      slots: batch,
      minRows: batch,
      context: this.#config.tokens + (this.#config.prompts[0]?.length ?? 0),
      // Every prompt is read each time, as on the other side.
      prefixBytes: 0,
    });
    const started = performance.now();
    const texts = await Promise.all(
      this.#config.prompts.slice(0, batch).map((prompt) =>
        readAnswer(
          engine.submit({
            prompt: Int32Array.from(prompt),
            maxTokens: tokens,
            sampling: { ...PLAIN, temperature: 0 },
            stop: [],
            stopTokens: [],
            logProbabilities: undefined,
            promptLogProbabilities: false,
          }),
        ),
      ),
    );
    const ms = performance.now() - started;
    const ids = texts.map(({ text }) => [...promptIds(this.#tokenizer, text)]);
    return { ms, ids, detail: "" };
  }
}

/** A tokenizer that shows ids as they are, so that they can be compared: one character for each. */
function idsAsText(vocab: number): Tokenizer {
  const first = 0x1_0000;
  const textOf = (id: number) => String.fromCodePoint(first + id);
  return {
    ...byteTokenizer,
    name: "ids",
    vocab,
    encode: (text) => Int32Array.from(text, (letter) => (letter.codePointAt(0) ?? first) - first),
    decode: (ids) => Array.from(ids, textOf).join(""),
    stream: () => ({ push: textOf, end: () => "" }),
  };
}

/** @file `sample`: lets a trained model go on with texts. */

import { readFile } from "node:fs/promises";
import { DataError } from "../core/errors.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { type Answer, readAnswer } from "../generate/answer.ts";
import { beamSearch } from "../generate/beam.ts";
import { type Decoder, decoderPrograms } from "../generate/decoder.ts";
import { GenerationEngine } from "../generate/engine.ts";
import { promptIds, stopTokensOf } from "../generate/generator.ts";
import type { GenerationRequest, TokenText } from "../generate/request.ts";
import { checkSampling, type SamplingOptions } from "../generate/sampling/options.ts";
import { StopStrings } from "../generate/stop-strings.ts";
import { seedOf } from "../serve/generation-plan.ts";
import { type OpenedModel, openModel } from "../serve/open-model.ts";
import { parseStep } from "../train/open-run.ts";
import { type Command, type CommandContext, defineCommand } from "./command.ts";
import { STEP_OPTION } from "./model-options.ts";
import { SAMPLING_OPTIONS, samplingFrom, stopsFrom } from "./sampling-options.ts";

/** Texts that are written at once. */
const SLOTS = 16;

export const command: Command = defineCommand({
  name: "sample",
  summary: "Continue texts with a trained model",
  positionals: [
    { name: "run", help: "folder that `train` wrote, or one of the Hub", required: true },
  ],
  options: {
    prompt: { type: "string", default: "", help: "text to go on from" },
    prompts: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "instead of --prompt, a file with one text on each line",
    },
    n: { type: "int", default: 1, min: 1, unit: "texts", help: "answers to each prompt" },
    tokens: { type: "int", default: 300, min: 1, unit: "tokens", help: "tokens to add at most" },
    stop: {
      type: "string",
      default: "",
      help: "text at which an answer ends, or a JSON list of such texts; \\n is a new line",
    },
    forced: { type: "string", default: "", help: "text that every answer begins with" },
    ...SAMPLING_OPTIONS,
    beams: {
      type: "int",
      default: 1,
      min: 1,
      help: "above 1: search for the likeliest answer along so many, without chance",
    },
    lengthPenalty: {
      type: "float",
      default: 1,
      help: "of beams: 0 likes short answers, above 1 long ones",
    },
    logprobs: {
      type: "int",
      default: undefined,
      min: 0,
      max: 100,
      unit: "tokens",
      help: "with --json: log-probabilities, and of so many likeliest tokens at each place",
    },
    step: STEP_OPTION,
    threads: {
      type: "int",
      default: 0,
      min: 0,
      help: "threads of one computation; 0 for one per core",
    },
  },
  examples: [
    'meshloom sample runs/one --prompt "Call me" --temperature 0.8',
    'meshloom sample runs/one --prompts openings.txt --n 4 --stop "\\n\\n" --json',
    'meshloom sample runs/one --prompt "The" --beams 4 --tokens 60',
  ],

  async run(options, context) {
    const rules = samplingFrom(options);
    const stop = stopsFrom(options.stop);
    const { signal } = context;
    const opened = await openModel(options.run, parseStep(options.step));
    const { tokenizer, model } = opened;
    const sampling = { ...rules, forced: [...tokenizer.encode(options.forced)] };
    // Before any work, and before a prompt is printed.
    checkSampling(sampling, Math.min(model.vocab, tokenizer.vocab));
    const texts = options.prompts === undefined ? [options.prompt] : await linesOf(options.prompts);
    for (const note of opened.notes) context.log(note);
    const engine = await createOnnxEngine();
    const decoder = decoderPrograms(model, { engine, threads: options.threads }).with(
      opened.weights,
    );
    const job: Job = { ...options, opened, decoder, sampling, stop, texts };
    const started = performance.now();
    const tokens =
      options.beams > 1 ? await search(job, context, signal) : await draw(job, context, signal);
    const seconds = (performance.now() - started) / 1000;
    context.log(
      `${tokens} tokens in ${seconds.toFixed(1)} s, ${Math.round(tokens / seconds)} a second, compiling included`,
    );
  },
});

interface Job {
  readonly opened: OpenedModel;
  readonly decoder: Decoder;
  readonly sampling: SamplingOptions;
  readonly stop: readonly string[];
  readonly texts: readonly string[];
  readonly run: string;
  readonly n: number;
  readonly tokens: number;
  readonly beams: number;
  readonly lengthPenalty: number;
  readonly logprobs: number | undefined;
}

/** What is printed of one answer. */
interface Printed {
  readonly prompt: string;
  readonly index: number;
  readonly text: string;
  readonly tokens: number;
  readonly finish: string;
  readonly logProbability?: number;
  readonly tokenTexts?: readonly TokenText[];
}

/** Answers of all prompts, written at once. @returns tokens in all */
async function draw(job: Job, context: CommandContext, signal: AbortSignal): Promise<number> {
  const { opened, texts, n, logprobs } = job;
  const asked = texts.flatMap((text) => {
    const request = requestOf(job, text);
    const { sampling } = request;
    return Array.from({ length: n }, (_, index) => ({
      text,
      index,
      request: { ...request, sampling: { ...sampling, seed: seedOf(sampling.seed, index) } },
    }));
  });
  const alone = asked.length === 1;
  const engine = new GenerationEngine(job.decoder, opened.tokenizer, {
    slots: Math.min(SLOTS, asked.length),
    minRows: alone ? 1 : 2,
    context: Math.max(...asked.map(({ request }) => request.prompt.length)) + job.tokens,
  });
  const answers = asked.map(({ request }) => engine.submit(request));
  const cancel = () => {
    for (const answer of answers) answer.cancel();
  };
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  let tokens = 0;
  for (const [i, { text, index }] of asked.entries()) {
    const answer = answers[i];
    if (answer === undefined) break;
    if (alone && !context.json) return await stream(text, answer, context);
    const piece = await readAnswer(answer);
    if (answer.cancelled) break;
    const { reason, answerTokens, logProbability } = answer.finish;
    tokens += answerTokens;
    print(job, context, {
      prompt: text,
      index,
      text: piece.text,
      tokens: answerTokens,
      finish: reason,
      ...(logprobs === undefined ? {} : { logProbability, tokenTexts: piece.tokens }),
    });
  }
  signal.removeEventListener("abort", cancel);
  return tokens;
}

/** Shows a lone answer while it is written. */
async function stream(prompt: string, answer: Answer, context: CommandContext): Promise<number> {
  context.stream(prompt);
  for await (const { text } of answer) context.stream(text);
  context.out("");
  return answer.cancelled ? 0 : answer.finish.answerTokens;
}

/** The likeliest answers, one prompt after another. @returns tokens in all */
async function search(job: Job, context: CommandContext, signal: AbortSignal): Promise<number> {
  const { opened, decoder, texts, beams, lengthPenalty, n, stop } = job;
  const { tokenizer } = opened;
  let tokens = 0;
  for (const text of texts) {
    const { prompt, maxTokens, stopTokens, sampling } = requestOf(job, text);
    const found = await beamSearch(decoder, prompt, {
      ...{ beams, lengthPenalty, maxTokens, stopTokens, sampling, signal },
    });
    for (const [index, answer] of found.slice(0, n).entries()) {
      tokens += answer.tokens.length;
      const stops = new StopStrings(stop);
      const cut = stops.push(tokenizer.decode(answer.tokens));
      print(job, context, {
        prompt: text,
        index,
        text: cut.text + (cut.stop === undefined ? stops.end() : ""),
        tokens: answer.tokens.length,
        finish: answer.finished || cut.stop !== undefined ? "stop" : "length",
        logProbability: answer.logProbability,
      });
    }
  }
  return tokens;
}

function requestOf(
  { opened, sampling, stop, tokens, logprobs }: Job,
  text: string,
): GenerationRequest {
  return {
    prompt: promptIds(opened.tokenizer, text),
    maxTokens: tokens,
    sampling,
    stop,
    stopTokens: stopTokensOf(opened.tokenizer),
    logProbabilities: logprobs,
    promptLogProbabilities: false,
  };
}

function print(job: Job, context: CommandContext, printed: Printed): void {
  const { prompt, index, text, tokens, finish, logProbability, tokenTexts } = printed;
  if (context.json) {
    const { run, opened } = job;
    context.out(
      JSON.stringify({
        ...{ run, step: opened.step, prompt, index, text, tokens, finish },
        ...(logProbability === undefined ? {} : { logProbability }),
        ...(tokenTexts === undefined ? {} : { logprobs: tokenTexts }),
      }),
    );
    return;
  }
  if (job.texts.length * job.n > 1)
    context.out(`── ${JSON.stringify(prompt)}${job.n > 1 ? `, ${index + 1} of ${job.n}` : ""}`);
  context.out(prompt + text);
}

/** @throws DataError when the file cannot be read or holds no text */
async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new DataError("DATA-01", `sample: "${path}" cannot be read.`, [
      ["it says", error.message],
      ["fix", "name a text file with a prompt on each line"],
    ]);
  });
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  if (lines.length > 0) return lines;
  throw new DataError("DATA-01", `sample: "${path}" holds no prompt; write one on each line.`);
}

/** @file `serve`: lets programs use a trained model over HTTP, in the form of OpenAI's interface. */

import { randomBytes } from "node:crypto";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { decoderPrograms } from "../generate/decoder.ts";
import { GenerationEngine } from "../generate/engine.ts";
import { PLAIN_TEMPLATE } from "../serve/chat-template.ts";
import { openModel } from "../serve/open-model.ts";
import { DEFAULT_LIMITS } from "../serve/served-model.ts";
import { startServer } from "../serve/server.ts";
import { parseStep } from "../train/open-run.ts";
import { type Command, type CommandContext, defineCommand } from "./command.ts";
import { STEP_OPTION } from "./model-options.ts";
import { createProgress } from "./progress.ts";

/** Places that texts have where the model says nothing else: relative positions go on beyond training. */
const CONTEXT = 1024;

export const command: Command = defineCommand({
  name: "serve",
  summary: "Serve a trained model over HTTP, in the form of OpenAI's interface",
  positionals: [{ name: "run", help: "folder that `train` wrote", required: true }],
  options: {
    host: {
      type: "string",
      default: "127.0.0.1",
      help: "address to listen on; other machines reach the model where it is not loopback",
    },
    port: { type: "int", default: 8000, min: 0, max: 65_535, help: "0 for a free one" },
    token: {
      type: "string",
      default: undefined,
      help: "what clients must send as their key; drawn anew at each start when left out",
    },
    noToken: {
      type: "flag",
      default: false,
      help: "anyone on this machine may ask; on loopback only",
    },
    slots: { type: "int", default: 16, min: 1, unit: "texts", help: "texts written at once" },
    context: {
      type: "int",
      default: undefined,
      min: 2,
      unit: "tokens",
      help: `prompt and answer together at most; ${CONTEXT}, or the length in training if that is longer, when left out`,
    },
    maxTokens: {
      type: "int",
      default: DEFAULT_LIMITS.maxTokens,
      min: 1,
      unit: "tokens",
      help: "of one answer at most",
    },
    queue: {
      type: "int",
      default: DEFAULT_LIMITS.queue,
      min: 0,
      unit: "texts",
      help: "texts that may wait for a slot; more are refused with status 429",
    },
    maxBody: {
      type: "int",
      default: DEFAULT_LIMITS.bodyBytes,
      min: 1024,
      unit: "bytes",
      help: "size of a request at most",
    },
    maxSeconds: {
      type: "float",
      default: DEFAULT_LIMITS.seconds,
      above: 0,
      unit: "seconds",
      help: "from a request to the end of its answer at most",
    },
    perClient: {
      type: "int",
      default: DEFAULT_LIMITS.perClient,
      min: 0,
      unit: "requests",
      help: "of one address at a time at most; 0 for no limit",
    },
    grace: {
      type: "float",
      default: 10,
      min: 0,
      unit: "seconds",
      help: "given to what runs when the server is asked to stop",
    },
    step: STEP_OPTION,
    threads: {
      type: "int",
      default: 0,
      min: 0,
      help: "threads of one computation; 0 for one per core",
    },
  },
  examples: ["meshloom serve runs/one", "meshloom serve runs/one --port 0 --json"],

  async run(options, context) {
    const { signal } = context;
    const opened = await openModel(options.run, parseStep(options.step));
    for (const note of opened.notes) context.log(note);
    const places = options.context ?? Math.max(CONTEXT, opened.trainedLength);
    const runtime = await createOnnxEngine();
    const programs = decoderPrograms(opened.model, { engine: runtime, threads: options.threads });
    const engine = new GenerationEngine(programs.with(opened.weights), opened.tokenizer, {
      slots: options.slots,
      context: places,
    });
    await warm(engine, context, signal);
    if (signal.aborted) return;
    const token = options.noToken
      ? undefined
      : (options.token ?? `ml-${randomBytes(24).toString("base64url")}`);
    const { queue, maxTokens, maxSeconds: seconds, maxBody: bodyBytes, perClient } = options;
    const server = await startServer({
      model: { ...opened, engine, slots: options.slots },
      limits: { queue, maxTokens, seconds, bodyBytes, perClient },
      access: { token, host: options.host },
      port: options.port,
      onError: (error) =>
        context.log(`serve: ${error instanceof Error ? (error.stack ?? error.message) : error}`),
    });
    introduce(context, { ...opened, url: server.url, token, places });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    context.log(`stopping; what runs has ${options.grace} s to end`);
    await server.stop(options.grace);
    const { finished, cancelled, failed } = engine.counters;
    context.log(`stopped: ${finished} texts written, ${cancelled} given up, ${failed} failed`);
  },
});

/** Compiles before the port is open, so that no request waits for it. */
async function warm(
  engine: GenerationEngine,
  context: CommandContext,
  signal: AbortSignal,
): Promise<void> {
  let progress: ReturnType<typeof createProgress> | undefined;
  await engine.warm((done, total) => {
    progress ??= createProgress({
      total,
      unit: "programs",
      interactive: context.interactive,
      write: context.write,
      now: () => performance.now(),
    });
    progress.update(done, {});
    return !signal.aborted;
  });
  progress?.finish("compiled");
}

interface Introduced {
  readonly name: string;
  readonly step: number | undefined;
  readonly url: string;
  readonly token: string | undefined;
  readonly places: number;
  readonly trainedLength: number;
  readonly chat: unknown;
}

function introduce(
  context: CommandContext,
  { name, step, url, token, places, trainedLength, chat }: Introduced,
): void {
  if (context.json) {
    context.out(
      JSON.stringify({
        model: name,
        step,
        url: `${url}/v1`,
        token: token ?? null,
        context: places,
      }),
    );
    return;
  }
  context.out(
    `model    ${name}${step === undefined ? "" : `, step ${step}`}, context of ${places} tokens`,
  );
  context.out(`url      ${url}/v1`);
  context.out(`token    ${token ?? "none is asked for"}`);
  if (places > trainedLength)
    context.log(
      `trained on ${trainedLength} tokens at a time; what lies further back it never saw`,
    );
  if (chat === PLAIN_TEMPLATE)
    context.log("chats are put as plain text, User: and Assistant:, since the run has no template");
  context.log("Ctrl-C stops it in order");
}

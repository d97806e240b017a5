/**
 * @file `bench serve`: many clients at once on one server, each answer held against the one computed alone.
 *
 * The server is a process of its own. Clients mix prompts, lengths, whole answers, streams and going away;
 * refused ones come again when they are told to.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { drawBelow } from "../data/permutation.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { readAnswer } from "../generate/answer.ts";
import { decoderPrograms } from "../generate/decoder.ts";
import { GenerationEngine } from "../generate/engine.ts";
import { planChat, planCompletion } from "../serve/completions.ts";
import { openModel } from "../serve/open-model.ts";
import type { ChatBody, CompletionBody } from "../serve/request-schema.ts";
import { DEFAULT_LIMITS, type ServedModel } from "../serve/served-model.ts";
import { ask, type Manner, type Outcome, type Target } from "./serve-client.ts";
import { type LoadRequest, loadRequests } from "./serve-load.ts";

export interface ServeBenchOptions {
  readonly run: string;
  readonly clients: number;
  readonly seconds: number;
  readonly slots: number;
  readonly queue: number;
  readonly threads: number;
  /** Different requests; each is asked many times. */
  readonly requests: number;
  readonly maxTokens: number;
  readonly signal: AbortSignal;
  onNotice(line: string): void;
}

/** Milliseconds at which a share of all is reached. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ServeBenchResult {
  readonly cpu: string;
  readonly clients: number;
  readonly seconds: number;
  /** Whole answers, streamed or not. */
  readonly answers: number;
  readonly abandoned: number;
  /** Times that a client was told to come again. */
  readonly refused: number;
  /** Requests that were answered by nothing, or by an error. */
  readonly lost: number;
  /** Answers that are not what the request gets alone. */
  readonly mixed: number;
  readonly tokensPerSecond: number;
  readonly requestsPerSecond: number;
  readonly latency: Percentiles;
  readonly firstToken: Percentiles;
  /** Resident bytes of the server. */
  readonly memory: { readonly start: number; readonly end: number; readonly max: number };
  /** What went wrong, some of it. */
  readonly problems: readonly string[];
}

const BIN = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
const CONTEXT = 1024;
const LONGEST_WORDS = 60;

export async function benchServe(options: ServeBenchOptions): Promise<ServeBenchResult> {
  const requests = loadRequests(options.requests, LONGEST_WORDS, options.maxTokens);
  options.onNotice(`computing ${requests.length} answers alone`);
  const expected = await answersAlone(requests, options);
  options.onNotice("starting the server");
  const server = await startProcess(options);
  try {
    const memory = watchMemory(server);
    const start = await memory.now();
    options.onNotice(`${options.clients} clients for ${options.seconds} s`);
    const driven = await drive(server.target, requests, options);
    const end = await memory.now();
    memory.stop();
    const judged = judge(driven, requests, expected);
    const problems = [...judged.problems, ...(await stopProcess(server))];
    return {
      ...judged,
      problems: problems.slice(0, 10),
      cpu: cpus()[0]?.model ?? "unknown",
      clients: options.clients,
      seconds: options.seconds,
      memory: { start, end, max: Math.max(start, end, memory.max()) },
    };
  } finally {
    server.child.kill("SIGKILL");
  }
}

/** Each request by itself, by an engine of this process. */
async function answersAlone(
  requests: readonly LoadRequest[],
  { run, threads, signal }: ServeBenchOptions,
): Promise<string[]> {
  const opened = await openModel(run);
  const runtime = await createOnnxEngine();
  const decoder = decoderPrograms(opened.model, { engine: runtime, threads }).with(opened.weights);
  const alone = { slots: 1, context: CONTEXT, prefixBytes: 0 };
  const engine = new GenerationEngine(decoder, opened.tokenizer, alone);
  const model: ServedModel = { ...opened, engine, slots: 1 };
  const texts: string[] = [];
  for (const { kind, body } of requests) {
    signal.throwIfAborted();
    const plan =
      kind === "chat"
        ? planChat(body as unknown as ChatBody, model, DEFAULT_LIMITS)
        : planCompletion(body as CompletionBody, model, DEFAULT_LIMITS);
    const [request] = plan.requests;
    if (request === undefined) throw new Error("a plan has a request");
    texts.push((await readAnswer(engine.submit(request))).text);
  }
  return texts;
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly target: Target;
  /** What it said on stderr. */
  readonly log: string[];
}

async function startProcess(options: ServeBenchOptions): Promise<ServerProcess> {
  const { run, slots, queue, threads } = options;
  const words = [
    ...["serve", run, "--port", "0", "--json", "--context", CONTEXT],
    ...["--slots", slots, "--queue", queue, "--threads", threads],
  ];
  const child = spawn(process.execPath, [BIN, ...words.map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  child.stderr.on("data", (data: Buffer) => log.push(data.toString()));
  const lines = createInterface({ input: child.stdout });
  const line = once(lines, "line").then(([text]) => String(text));
  const ended = once(child, "exit").then(() => undefined);
  const first = await Promise.race([line, ended]);
  if (first === undefined) throw new Error(`the server did not start: ${log.join("").trim()}`);
  const { url, token } = JSON.parse(first) as Target;
  return { child, target: { url, token }, log };
}

/** Asks the server to stop. @returns what is wrong with how it did */
async function stopProcess({ child, log }: ServerProcess): Promise<string[]> {
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = (await exit) as [number | null];
  // 130 says that it was asked to stop, and did; 0 that it had nothing left to do.
  if (code === 0 || code === 130) return [];
  return [`the server ended with code ${code}: ${log.join("").trim().split("\n").at(-1)}`];
}

/** Looks at the resident size of the server from time to time. */
function watchMemory({ child, target }: ServerProcess): {
  now(): Promise<number>;
  max(): number;
  stop(): void;
} {
  let max = 0;
  const now = async (): Promise<number> => {
    const bytes = await residentBytes(child.pid, target);
    max = Math.max(max, bytes);
    return bytes;
  };
  const timer = setInterval(() => void now().catch(() => {}), 500);
  return { now, max: () => max, stop: () => clearInterval(timer) };
}

async function residentBytes(pid: number | undefined, { url, token }: Target): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(status)?.[1];
  if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  // Not Linux: the server says it itself.
  const answer = await fetch(url.replace(/\/v1$/, "/metrics"), {
    headers: { authorization: `Bearer ${token}` },
  });
  return Number(/meshloom_resident_bytes (\d+)/.exec(await answer.text())?.[1] ?? Number.NaN);
}

interface Asked extends Outcome {
  /** Index of the request. */
  readonly request: number;
}

/** All clients until the time is over, and then until what they asked is answered. */
async function drive(
  target: Target,
  requests: readonly LoadRequest[],
  { clients, seconds, signal }: ServeBenchOptions,
): Promise<{ readonly outcomes: readonly Asked[]; readonly seconds: number }> {
  const outcomes: Asked[] = [];
  const started = performance.now();
  const end = started + seconds * 1000;
  const client = async (who: number): Promise<void> => {
    for (let turn = 0; performance.now() < end && !signal.aborted; turn++) {
      const request = drawBelow(requests.length, who, turn, 0);
      const body = requests[request];
      if (body === undefined) return;
      for (;;) {
        const outcome = await ask(target, body, mannerOf(who, turn));
        outcomes.push({ ...outcome, request });
        if (outcome.kind !== "refused" || performance.now() > end || signal.aborted) break;
        const wait = Math.min(outcome.retryAfter * 1000, end - performance.now());
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, who) => client(who)));
  return { outcomes, seconds: (performance.now() - started) / 1000 };
}

/** Half of all are streamed, and a quarter of those given up after a few pieces. */
function mannerOf(who: number, turn: number): Manner {
  const draw = (below: number, what: number) => drawBelow(below, who, turn, what);
  const stream = draw(2, 1) === 0;
  return { stream, pieces: stream && draw(4, 2) === 0 ? 1 + draw(8, 3) : undefined };
}

function judge(
  { outcomes, seconds }: Awaited<ReturnType<typeof drive>>,
  requests: readonly LoadRequest[],
  expected: readonly string[],
): Omit<ServeBenchResult, "cpu" | "clients" | "seconds" | "memory"> {
  const of = (...kinds: Outcome["kind"][]) => outcomes.filter(({ kind }) => kinds.includes(kind));
  const right = ({ kind, text, request }: Asked) => {
    const whole = expected[request] ?? "";
    return kind === "abandoned" ? whole.startsWith(text) : text === whole;
  };
  const answers = of("whole", "streamed");
  const failed = of("failed");
  const mixed = [...answers, ...of("abandoned")].filter((one) => !right(one));
  const tokens = answers.reduce((sum, one) => sum + one.tokens, 0);
  const times = (list: readonly number[]) => percentiles(list.filter((ms) => !Number.isNaN(ms)));
  return {
    answers: answers.length,
    abandoned: of("abandoned").length,
    refused: of("refused").length,
    lost: failed.length,
    mixed: mixed.length,
    tokensPerSecond: tokens / seconds,
    requestsPerSecond: answers.length / seconds,
    latency: times(answers.map((one) => one.milliseconds)),
    firstToken: times(of("streamed").map((one) => one.firstMilliseconds)),
    problems: [
      ...failed.map(({ error }) => `lost: ${error}`),
      ...mixed.map(
        ({ text, request }) =>
          `mixed: ${JSON.stringify(requests[request]?.body)} got ${JSON.stringify(text)}, alone ${JSON.stringify(expected[request])}`,
      ),
    ],
  };
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

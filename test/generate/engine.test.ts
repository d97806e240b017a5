import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drawBelow } from "../../src/data/permutation.ts";
import { byteTokenizer } from "../../src/data/tokenizer.ts";
import { type Answer, readAnswer } from "../../src/generate/answer.ts";
import type { Decoder } from "../../src/generate/decoder.ts";
import { type EngineOptions, GenerationEngine } from "../../src/generate/engine.ts";
import type { GenerationRequest } from "../../src/generate/request.ts";
import { createSampler } from "../../src/generate/sampling/choose.ts";
import { History } from "../../src/generate/sampling/history.ts";
import { PLAIN } from "../../src/generate/sampling/options.ts";
import { StopStrings } from "../../src/generate/stop-strings.ts";
import { type HashDecoder, hashDecoder } from "./hash-decoder.ts";

const LETTERS = Array.from("abcdefghij .\n", (letter) => letter.charCodeAt(0));

function request(prompt: string, change: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    prompt: byteTokenizer.encode(prompt),
    maxTokens: 20,
    sampling: { ...PLAIN, seed: 1 },
    stop: [],
    stopTokens: [],
    logProbabilities: undefined,
    promptLogProbabilities: false,
    ...change,
  };
}

/** The oracle: one row, the prompt at once, one token after another, no engine. */
async function alone(decoder: Decoder, asked: GenerationRequest): Promise<string> {
  const { prompt, maxTokens, sampling, stop, stopTokens } = asked;
  const history = new History(prompt);
  let cache = await decoder.start(1, prompt.length + maxTokens);
  let ids = prompt;
  const stops = new StopStrings(stop);
  let text = "";
  for (let i = 0; i < maxTokens; i++) {
    const at = Int32Array.of(history.length - ids.length);
    const result = await decoder.forward(cache, ids, at);
    cache = result.cache;
    const id = createSampler(sampling).choose(result.logits.slice(-decoder.vocab), history);
    history.add(id);
    if (stopTokens.includes(id)) break;
    const piece = stops.push(byteTokenizer.decode([id]));
    text += piece.text;
    if (piece.stop !== undefined) return text;
    ids = Int32Array.of(id);
  }
  return text + stops.end();
}

function engineOf(decoder: Decoder, options: Partial<EngineOptions> = {}): GenerationEngine {
  return new GenerationEngine(decoder, byteTokenizer, options);
}

/** A request with everything drawn from a seed. */
function drawn(seed: number): GenerationRequest {
  const draw = (below: number, what: number) => drawBelow(below, seed, what);
  // Some are as long as chunks are.
  const length =
    draw(5, 12) === 0 ? 64 * (1 + draw(2, 1)) : 1 + draw(draw(4, 0) === 0 ? 200 : 20, 1);
  const letters = Array.from({ length }, (_, i) => LETTERS[draw(LETTERS.length, 100 + i)] ?? 97);
  return {
    // Some share their beginning, and some are equal.
    prompt: Int32Array.from(
      draw(3, 2) === 0 ? [...letters.keys()].map((i) => LETTERS[i % 5] ?? 97) : letters,
    ),
    maxTokens: 1 + draw(60, 3),
    sampling: {
      ...PLAIN,
      temperature: draw(3, 4) / 2,
      topK: draw(2, 5) * 5,
      repetitionPenalty: 1 + draw(2, 6) / 4,
      seed: draw(1000, 7),
    },
    stop: draw(2, 8) === 0 ? ["a.", "\n"] : [],
    stopTokens: draw(3, 9) === 0 ? [106] : [],
    logProbabilities: draw(4, 10) === 0 ? 2 : undefined,
    promptLogProbabilities: draw(8, 11) === 0,
  };
}

describe("any mix of requests", () => {
  test.each([
    ["that only fills places", {}],
    ["with a running state", { recurrent: true }],
  ])("gives each the text that it gets alone, on a cache %s", async (_, kind) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1e6), { minLength: 1, maxLength: 24 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1, 2),
        fc.constantFrom(0, 2 ** 12, 2 ** 24),
        async (seeds, slots, minRows, prefixBytes) => {
          const decoder = hashDecoder({ among: LETTERS, ...kind });
          const engine = engineOf(decoder, { slots, minRows, prefixBytes, context: 512 });
          const requests = seeds.map(drawn);
          const texts = await Promise.all(
            requests.map(async (asked, i) => {
              // They come at different times.
              for (let turn = 0; turn < (seeds[i] ?? 0) % 7; turn++) await tick();
              const answer = engine.submit(asked);
              // Some go away before the end, which nobody else may notice.
              if ((seeds[i] ?? 0) % 5 === 4) return abandon(answer, (seeds[i] ?? 0) % 3);
              return (await readAnswer(answer)).text;
            }),
          );
          await engine.idle();
          for (const [i, asked] of requests.entries()) {
            const text = texts[i];
            if (text !== undefined)
              expect(text).toBe(await alone(hashDecoder({ among: LETTERS, ...kind }), asked));
          }
          expect(engine.running).toBe(0);
          const { finished, cancelled, failed } = engine.counters;
          expect([finished + cancelled, failed]).toEqual([seeds.length, 0]);
        },
      ),
      { seed: 1, numRuns: 40 },
    );
  });

  test("computes no more rows than are there, in powers of two", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder, { slots: 8, context: 256 });
    const answers = Array.from({ length: 8 }, (_, i) =>
      engine.submit(request(`${i}`, { maxTokens: 4 + 8 * i })),
    );
    await Promise.all(answers.map(readAnswer));
    const rows = decoder.calls
      .filter((call) => call.includes(" × 1 × "))
      .map((call) => Number(call.split(" ")[0]));
    expect(new Set(rows)).toEqual(new Set([8, 4, 2]));
    // 60 tokens of the longest, of which the prompt gave the first.
    expect(rows.length).toBeLessThanOrEqual(62);
    const all = new Set(decoder.calls);
    expect([...all].every((call) => call.endsWith("× 128"))).toBe(true);
  });

  test("of one prompt reads it once", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder);
    const prompt = "abc".repeat(30);
    const asked = [1, 2, 3].map((seed) => request(prompt, { sampling: { ...PLAIN, seed } }));
    const texts = await Promise.all(
      asked.map(async (one) => (await readAnswer(engine.submit(one))).text),
    );
    expect(new Set(texts).size).toBe(3);
    expect(engine.counters).toMatchObject({ promptTokens: 270, reusedTokens: 180 });
    // A longer one begins where the last whole chunk ends.
    await readAnswer(engine.submit(request(`${prompt}def`)));
    expect(engine.counters.reusedTokens).toBe(180 + 64);
    // One that ends where a chunk of another does has logits of its own.
    const cut = request(prompt.slice(0, 64));
    const { text } = await readAnswer(engine.submit(cut));
    expect(text).toBe(await alone(hashDecoder({ among: LETTERS }), cut));
  });

  test("goes on writing while a long prompt is read", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder, { context: 2048 });
    const short = engine.submit(request("a", { maxTokens: 40 }));
    await tick();
    await tick();
    const long = engine.submit(request("b".repeat(1500), { maxTokens: 2 }));
    await Promise.all([readAnswer(short), readAnswer(long)]);
    // Never more prompt tokens between two steps of the batch than allowed.
    let between = 0;
    for (const call of decoder.calls) {
      const [rows = 0, tokens = 0] = call.split(" × ").map(Number);
      between = rows > 1 ? 0 : between + tokens;
      expect(between).toBeLessThanOrEqual(128);
    }
  });
});

describe("an answer", () => {
  test("ends at the limit, a stop string or a stop token, and says which", async () => {
    const engine = engineOf(hashDecoder({ among: LETTERS }));
    const finishOf = async (change: Partial<GenerationRequest>) => {
      const answer = engine.submit(request("hello", { maxTokens: 200, ...change }));
      const { text } = await readAnswer(answer);
      return { text, ...answer.finish };
    };
    const whole = await finishOf({});
    expect(whole).toMatchObject({ reason: "length", promptTokens: 5, answerTokens: 200 });
    const at = whole.text.indexOf("a.");
    expect(at).toBeGreaterThan(0);
    const stopped = await finishOf({ stop: ["a."] });
    expect(stopped).toMatchObject({
      text: whole.text.slice(0, at),
      reason: "stop",
      answerTokens: at + 2,
    });
    const dot = whole.text.indexOf(".");
    expect(await finishOf({ stopTokens: [46] })).toMatchObject({
      text: whole.text.slice(0, dot),
      reason: "stop",
      answerTokens: dot + 1,
    });
  });

  test("is shown in whole characters", async () => {
    // Nothing but the three bytes of "€", in order.
    const euro = [...byteTokenizer.encode("€€€")];
    const engine = engineOf(hashDecoder());
    const sampling = { ...PLAIN, forced: [...euro, 0xe2] };
    const answer = engine.submit(request("x", { sampling, maxTokens: 10 }));
    const pieces: string[] = [];
    for await (const { text } of answer) pieces.push(text);
    expect(pieces.join("")).toBe("€€€\ufffd");
    for (const piece of pieces.slice(0, -1)) expect(piece).toMatch(/^€+$/);
  });

  test("reports tokens with what the model thought of them, and none past a stop string", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder);
    const asked = request("hi", {
      logProbabilities: 3,
      promptLogProbabilities: true,
      maxTokens: 50,
      stop: ["."],
    });
    const answer = engine.submit(asked);
    const { text, tokens } = await readAnswer(answer);
    expect(tokens.map((token) => token.text).join("")).toBe(text);
    expect(text.length).toBeGreaterThan(2);
    for (const { logProbability, top } of tokens) {
      expect(top).toHaveLength(3);
      expect(logProbability).toBeLessThanOrEqual(top[0]?.logProbability ?? 0);
    }
    expect(answer.promptTokens.map((token) => token.text)).toEqual(["h", "i"]);
    expect(answer.promptTokens[0]?.logProbability).toBeNull();
    // "i" has no chance among the letters of this decoder, "h" would have.
    expect(answer.promptTokens[1]?.logProbability).toBeLessThan(0);
    const total = tokens.reduce((sum, token) => sum + (token.logProbability ?? 0), 0);
    expect(answer.finish.logProbability).toBeLessThanOrEqual(total);
  });

  test("that is cancelled frees its slot before the next step", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder, { slots: 1 });
    const first = engine.submit(request("a", { maxTokens: 900 }));
    const second = engine.submit(request("b", { maxTokens: 3 }));
    for await (const _ of first) break;
    const { steps } = engine.counters;
    await readAnswer(second);
    expect(engine.counters.steps - steps).toBeLessThanOrEqual(3 + 1);
    expect(engine.counters.cancelled).toBe(1);
  });

  test("that nobody reads holds no slot and grows no longer than its tokens", async () => {
    const engine = engineOf(hashDecoder({ among: LETTERS }), { slots: 1 });
    const unread = engine.submit(request("a", { maxTokens: 500 }));
    await readAnswer(engine.submit(request("b")));
    expect(unread.finish.answerTokens).toBe(500);
    let pieces = 0;
    for await (const _ of unread) pieces++;
    expect(pieces).toBe(1);
  });
});

describe("a decoder that fails", () => {
  test("while a prompt is read ends that request only", async () => {
    const decoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder);
    decoder.before = (_, tokens) => {
      if (tokens === 64) throw new Error("no memory");
    };
    const good = engine.submit(request("a"));
    const bad = engine.submit(request("b".repeat(100)));
    await expect(readAnswer(bad)).rejects.toThrow("no memory");
    expect((await readAnswer(good)).text).toBe(
      await alone(hashDecoder({ among: LETTERS }), request("a")),
    );
  });

  test("while a batch is written ends its requests, and the next ones are served", async () => {
    const decoder: HashDecoder = hashDecoder({ among: LETTERS });
    const engine = engineOf(decoder);
    decoder.before = (rows) => {
      if (rows === 4) throw new Error("no memory");
    };
    const failing = ["a", "b", "c"].map((prompt) => engine.submit(request(prompt)));
    for (const answer of failing) await expect(readAnswer(answer)).rejects.toThrow("no memory");
    expect((await readAnswer(engine.submit(request("a")))).text).toHaveLength(20);
    expect(engine.counters).toMatchObject({ failed: 3, finished: 1 });
  });
});

describe("submit", () => {
  const engine = engineOf(hashDecoder(), { context: 64 });

  test.each<[string, Partial<GenerationRequest>, string]>([
    [
      "a prompt longer than the context",
      { prompt: new Int32Array(100) },
      "generate: a prompt of 100 tokens and an answer of 20 do not fit into the context of 64.",
    ],
    ["an empty prompt", { prompt: new Int32Array(0) }, "generate: the prompt has no token"],
    [
      "a token that is none",
      { prompt: Int32Array.of(1, 256) },
      "generate: the prompt holds token 256, but tokens are 0 to 255",
    ],
    ["no tokens", { maxTokens: 0 }, "generate: maxTokens 0 is out of range"],
    ["an empty stop string", { stop: ["a", ""] }, "generate: a stop string is empty"],
  ])("refuses %s", (_, change, text) => {
    expect(() => engine.submit(request("a", change))).toThrow(text);
  });
});

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Reads a few pieces and goes. */
async function abandon(answer: Answer, pieces: number): Promise<undefined> {
  if (pieces === 0) return answer.cancel() as undefined;
  let left = pieces;
  for await (const _ of answer) if (--left <= 0) break;
  return undefined;
}

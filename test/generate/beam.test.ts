import { expect, test } from "vitest";
import { type BeamOptions, beamSearch } from "../../src/generate/beam.ts";
import { likeliest } from "../../src/generate/sampling/choose.ts";
import { logSumExp } from "../../src/generate/sampling/log-probabilities.ts";
import { PLAIN } from "../../src/generate/sampling/options.ts";
import { hashDecoder } from "./hash-decoder.ts";

const VOCAB = 5;
const END = 4;
const PROMPT = Int32Array.of(1, 2, 0);
const options: BeamOptions = { beams: 3, maxTokens: 4, lengthPenalty: 1, stopTokens: [END] };

const decoder = () => hashDecoder({ vocab: VOCAB });

/** Log-probabilities after a text, computed at once. */
async function after(text: readonly number[]): Promise<Float32Array> {
  const cache = await decoder().start(1, 64);
  const { logits } = await decoder().forward(cache, Int32Array.from(text), Int32Array.of(0));
  const last = logits.slice(-VOCAB);
  return last.map((logit) => logit - logSumExp(last));
}

interface Scored {
  readonly tokens: number[];
  readonly logProbability: number;
  readonly length: number;
}

/** Every answer there is, by trying all. */
async function all(
  maxTokens: number,
  tokens: number[] = [],
  logProbability = 0,
): Promise<Scored[]> {
  if (tokens.length === maxTokens) return [{ tokens, logProbability, length: maxTokens }];
  const next = await after([...PROMPT, ...tokens]);
  const found: Scored[] = [];
  for (let id = 0; id < VOCAB; id++) {
    const sum = logProbability + (next[id] ?? 0);
    if (id === END) found.push({ tokens, logProbability: sum, length: tokens.length + 1 });
    else found.push(...(await all(maxTokens, [...tokens, id], sum)));
  }
  return found;
}

test.each([0, 1, 2])(
  "wide enough, it finds the best of all answers, at length penalty %f",
  async (lengthPenalty) => {
    const every = await all(4);
    const scored = every
      .map(({ tokens, logProbability, length }) => ({
        tokens,
        score: logProbability / length ** lengthPenalty,
      }))
      .sort((a, b) => b.score - a.score);
    const found = await beamSearch(decoder(), PROMPT, { ...options, beams: 300, lengthPenalty });
    expect(found.slice(0, 20).map(({ tokens }) => [...tokens])).toEqual(
      scored.slice(0, 20).map(({ tokens }) => tokens),
    );
    expect(found[0]?.score).toBeCloseTo(scored[0]?.score ?? Number.NaN, 4); // float32 logits
  },
);

test("one beam takes the likeliest token each time", async () => {
  const text: number[] = [...PROMPT];
  for (let i = 0; i < 20; i++) text.push(likeliest(await after(text)));
  const [found] = await beamSearch(decoder(), PROMPT, {
    ...options,
    beams: 1,
    maxTokens: 20,
    stopTokens: [],
  });
  expect(found?.tokens).toEqual(text.slice(PROMPT.length));
  expect(found?.finished).toBe(false);
});

test("more beams find no worse an answer, without an end of texts", async () => {
  // Not a law of beam search, but so for this decoder; a search that mixed up its rows would do worse.
  const scores: number[] = [];
  for (const beams of [1, 4, 64]) {
    const [found] = await beamSearch(decoder(), PROMPT, {
      ...options,
      beams,
      maxTokens: 12,
      stopTokens: [],
    });
    scores.push(found?.score ?? Number.NaN);
    // The score is the text's own.
    let sum = 0;
    const text: number[] = [...PROMPT];
    for (const token of found?.tokens ?? []) {
      sum += (await after(text))[token] ?? Number.NaN;
      text.push(token);
    }
    expect(found?.logProbability).toBeCloseTo(sum, 4); // float32 logits
  }
  expect(scores).toEqual(scores.toSorted((a, b) => a - b));
});

test("logit rules hold, and what is out of range is refused", async () => {
  const sampling = { ...PLAIN, banned: [0, 1, 2] };
  const found = await beamSearch(decoder(), PROMPT, { ...options, sampling, stopTokens: [] });
  for (const { tokens } of found) for (const token of tokens) expect([3, 4]).toContain(token);
  await expect(beamSearch(decoder(), PROMPT, { ...options, beams: 0 })).rejects.toThrow(
    "beam search: beams 0 is out of range; choose a whole number from 1",
  );
});

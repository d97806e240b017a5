import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LETTERS, plain, type TestServer, testServer } from "./server.ts";

type Completion = OpenAI.CompletionCreateParamsNonStreaming;

describe("completions", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop(0));
  const text = async (change: Partial<Completion> = {}) =>
    (await server.client.completions.create({ ...plain, ...change })).choices[0]?.text;

  test("have the exact form, and the same text for the same seed", async () => {
    const { id, choices, created, ...rest } = await server.client.completions.create(plain);
    expect(id).toMatch(/^cmpl-[0-9a-f]{32}$/);
    expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(600);
    expect(rest).toEqual({
      object: "text_completion",
      model: "hash",
      usage: { prompt_tokens: 3, completion_tokens: 30, total_tokens: 33 },
    });
    expect(choices).toEqual([
      {
        text: expect.stringMatching(/^[a-j .,\n]{30}$/),
        index: 0,
        logprobs: null,
        finish_reason: "length",
      },
    ]);
    expect(await text()).toBe(choices[0]?.text);
    expect(await text({ seed: 8 })).not.toBe(choices[0]?.text);
    expect(await text({ temperature: 0, seed: 1 })).toBe(await text({ temperature: 0, seed: 2 }));
  });

  test("take several prompts, token ids, and several answers of each", async () => {
    const ids = [...new TextEncoder().encode("abc")];
    const { choices, usage } = await server.client.completions.create({
      ...plain,
      prompt: ["abc", "xyz"],
      n: 2,
    });
    expect(choices.map((choice) => choice.index)).toEqual([0, 1, 2, 3]);
    expect(usage).toEqual({ prompt_tokens: 6, completion_tokens: 120, total_tokens: 126 });
    expect(choices[0]?.text).toBe(await text());
    expect(choices[2]?.text).toBe(await text({ prompt: "xyz" }));
    expect(new Set(choices.map((choice) => choice.text)).size).toBe(4);
    expect(await text({ prompt: ids })).toBe(await text());
    expect(await text({ prompt: [ids] })).toBe(await text());
  });

  test("stream the same text, with usage when asked for", async () => {
    const stream = await server.client.completions.create({
      ...plain,
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = "";
    const reasons: unknown[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.text ?? "";
      if (chunk.choices[0]?.finish_reason != null) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.choices.length === 0) usage = chunk.usage;
      else expect(chunk.usage).toBeNull();
    }
    expect(streamed).toBe(await text());
    expect(reasons).toEqual(["length"]);
    expect(usage).toEqual({ prompt_tokens: 3, completion_tokens: 30, total_tokens: 33 });
    const raw = await server.ask("/v1/completions", {
      method: "POST",
      body: JSON.stringify({ ...plain, stream: true }),
    });
    expect(raw.headers.get("content-type")).toContain("text/event-stream");
    expect(await raw.text()).toMatch(/^data: \{[\s\S]*\}\n\ndata: \[DONE\]\n\n$/);
  });

  test("end at a stop string, which is not shown", async () => {
    const whole = (await text({ max_tokens: 200 })) ?? "";
    const at = whole.indexOf(",");
    const { choices } = await server.client.completions.create({
      ...plain,
      max_tokens: 200,
      stop: ["\u00e9", ","],
    });
    expect(choices[0]).toMatchObject({ text: whole.slice(0, at), finish_reason: "stop" });
    expect(await text({ max_tokens: 200, stop: "," })).toBe(whole.slice(0, at));
  });

  test("echo the prompt, and say how likely each token was", async () => {
    const { choices, usage } = await server.client.completions.create({
      ...plain,
      echo: true,
      logprobs: 2,
    });
    const [choice] = choices;
    expect(choice?.text).toBe(`abc${await text()}`);
    const logprobs = choice?.logprobs;
    expect(logprobs?.tokens?.join("")).toBe(choice?.text);
    expect(logprobs?.text_offset).toEqual(Array.from({ length: 33 }, (_, i) => i));
    expect(logprobs?.token_logprobs?.[0]).toBeNull();
    for (const value of logprobs?.token_logprobs?.slice(1) ?? []) expect(value).toBeLessThan(0);
    expect(Object.keys(logprobs?.top_logprobs?.[5] ?? {})).toHaveLength(2);
    // Only the prompt: nothing is written, and nothing counted.
    const scored = await server.client.completions.create({
      ...plain,
      echo: true,
      logprobs: 0,
      max_tokens: 0,
    });
    expect(scored.choices[0]).toMatchObject({ text: "abc", finish_reason: "length" });
    expect(scored.usage).toMatchObject({ completion_tokens: 0 });
    expect(usage).toMatchObject({ completion_tokens: 30 });
  });

  test("choose the best of several by likelihood per token", async () => {
    const logprobsOf = async (seeds: Partial<Completion>) =>
      (await server.client.completions.create({ ...plain, ...seeds, logprobs: 0 })).choices.map(
        (choice) => ({
          text: choice.text,
          sum: (choice.logprobs?.token_logprobs ?? []).reduce((a, b) => a + b, 0),
        }),
      );
    const all = await logprobsOf({ n: 4 });
    const order = all.toSorted((a, b) => b.sum - a.sum).map((one) => one.text);
    const { choices, usage } = await server.client.completions.create({
      ...plain,
      n: 2,
      best_of: 4,
    });
    expect(choices.map((choice) => choice.text)).toEqual(order.slice(0, 2));
    expect(usage?.completion_tokens).toBe(120);
  });

  test("heed bias, penalties and bans", async () => {
    expect(await text({ logit_bias: { "97": 100 } })).toBe("a".repeat(30));
    const extended = {
      ...plain,
      bad_token_ids: LETTERS.filter((id) => id !== 98),
      top_k: 5,
      min_p: 0.1,
    };
    expect((await server.client.completions.create(extended)).choices[0]?.text).toBe(
      "b".repeat(30),
    );
    const once = await text({
      presence_penalty: 2,
      frequency_penalty: 2,
      temperature: 0,
      max_tokens: 5,
    });
    expect(new Set(once).size).toBe(5);
  });
});

describe("chat", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop(0));
  const chat = {
    model: "hash",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Hello $& there" }] },
    ],
    max_tokens: 40,
    seed: 3,
  } satisfies OpenAI.ChatCompletionCreateParamsNonStreaming;

  test("has the exact form, and writes what the plain template's text goes on with", async () => {
    const answer = await server.client.chat.completions.create(chat);
    const prompt = "Be brief.\n\nUser: Hello $& there\nAssistant:";
    const same = await server.client.completions.create({
      ...plain,
      prompt,
      max_tokens: 40,
      seed: 3,
    });
    expect(answer).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "hash",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: same.choices[0]?.text, refusal: null },
          logprobs: null,
          finish_reason: "length",
        },
      ],
      usage: {
        prompt_tokens: prompt.length,
        completion_tokens: 40,
        total_tokens: prompt.length + 40,
      },
    });
  });

  test("streams through the client's own helper", async () => {
    const whole = await server.client.chat.completions.create(chat);
    const runner = server.client.chat.completions.stream({
      ...chat,
      stream_options: { include_usage: true },
    });
    expect(await runner.finalContent()).toBe(whole.choices[0]?.message.content);
    expect(await runner.totalUsage()).toEqual(whole.usage);
  });

  test("reports tokens with alternatives and bytes", async () => {
    const { choices } = await server.client.chat.completions.create({
      ...chat,
      logprobs: true,
      top_logprobs: 2,
    });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content.map((token) => token.token).join("")).toBe(choices[0]?.message.content);
    expect(content[0]?.bytes).toEqual([content[0]?.token.charCodeAt(0)]);
    expect(content[0]?.top_logprobs).toHaveLength(2);
  });

  test("ends where the other's turn would begin, and writes as long as the context when not told", async () => {
    const long = await server.client.chat.completions.create({
      model: "hash",
      messages: chat.messages,
      seed: 1,
    });
    expect(long.usage?.total_tokens).toBe(512);
    const options = { logit_bias: { "10": 100 }, stop: "\n\n", max_completion_tokens: 9 };
    const { choices } = await server.client.chat.completions.create({
      model: "hash",
      messages: chat.messages,
      ...options,
    });
    expect(choices[0]).toMatchObject({ message: { content: "" }, finish_reason: "stop" });
  });
});

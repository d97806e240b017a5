import { connect } from "node:net";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LETTERS, type TestServer, TOKEN, testServer } from "../../test/serving.ts";
import { drawBelow } from "../data/permutation.ts";

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

const errorOf = async (answer: Response): Promise<ErrorBody["error"]> =>
  ((await answer.json()) as ErrorBody).error;

type Completion = OpenAI.CompletionCreateParamsNonStreaming;

const plain: Completion = { model: "hash", prompt: "abc", max_tokens: 30, seed: 7 };

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

describe("errors", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer({ limits: { maxTokens: 100, bodyBytes: 5000 } });
  });
  afterAll(async () => {
    expect(server.errors).toEqual([]);
    await server.stop(0);
  });
  const post = (body: unknown, path = "/v1/completions", headers: Record<string, string> = {}) =>
    server.ask(path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers,
    });

  test.each<[string, object | string, number, string | null, string]>([
    ["text that is no JSON", "{", 400, null, "the body is not JSON"],
    ["a list", [], 400, null, "the body must be a JSON object"],
    [
      "a typo",
      { temprature: 1 },
      400,
      "temprature",
      '"temprature" is not a parameter; did you mean "temperature"?',
    ],
    ["an unknown key", { zebra: 1 }, 400, "zebra", '"zebra" is not a parameter'],
    [
      "a wrong type",
      { max_tokens: "9" },
      400,
      "max_tokens",
      '"max_tokens": expected number, received string',
    ],
    ["a value out of range", { temperature: 9 }, 400, "temperature", '"temperature": Too big'],
    ["a share of 0", { top_p: 0 }, 400, "top_p", '"top_p"'],
    ["an empty stop string", { stop: ["a", ""] }, 400, "stop.1", '"stop.1": Too small'],
    ["a suffix", { suffix: "end" }, 400, "suffix", "it cannot fill a gap"],
    [
      "fewer best than wanted",
      { n: 3, best_of: 2 },
      400,
      "best_of",
      '"best_of": 2 is less than "n", 3',
    ],
    [
      "the best of a stream",
      { best_of: 2, stream: true },
      400,
      "best_of",
      "the best is known at the end",
    ],
    ["no tokens", { max_tokens: 0 }, 400, "max_tokens", "0 makes sense with"],
    ["too many tokens", { max_tokens: 101 }, 400, "max_tokens", "101 is more than the 100 tokens"],
    [
      "a token that is none",
      { prompt: [300] },
      400,
      null,
      "the prompt holds token 300, but tokens are 0 to 255",
    ],
    ["a prompt of nothing", { prompt: [] }, 400, "prompt", '"prompt": must be a text'],
    [
      "a biased token that is none",
      { logit_bias: { "300": 1 } },
      400,
      null,
      "logitBias names token 300",
    ],
    [
      "a prompt beyond the context",
      { prompt: "a".repeat(600) },
      400,
      "prompt",
      "this model's context is 512 tokens",
    ],
    [
      "another model",
      { model: "gpt-4" },
      404,
      "model",
      'the model "gpt-4" is not here; this server has "hash"',
    ],
    [
      "a body too large",
      { prompt: "a".repeat(6000) },
      413,
      null,
      "the body is larger than 4.88 KiB",
    ],
  ])("of completions: %s", async (_, body, status, param, message) => {
    const answer = await post(
      Array.isArray(body) || typeof body === "string"
        ? body
        : { model: "hash", prompt: "a", ...body },
    );
    const error = await errorOf(answer);
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error.message).toContain(message);
    expect(answer.status).toBe(status);
  });

  test.each<[string, object, string, string]>([
    ["no messages", { messages: undefined }, "messages", '"messages": is required'],
    [
      "an unknown role",
      { messages: [{ role: "tool", content: "a" }] },
      "messages.0.role",
      '"messages.0.role"',
    ],
    [
      "a picture",
      { messages: [{ role: "user", content: [{ type: "image_url" }] }] },
      "messages.0.content",
      "must be a text",
    ],
    ["tools", { tools: [{}] }, "tools", '"tools"'],
    [
      "alternatives without logprobs",
      { top_logprobs: 2 },
      "top_logprobs",
      'needs "logprobs": true',
    ],
    [
      "a schema",
      { response_format: { type: "json_object" } },
      "response_format.type",
      '"response_format.type"',
    ],
  ])("of chats: %s", async (_, body, param, message) => {
    const messages = [{ role: "user", content: "a" }];
    const answer = await post({ model: "hash", messages, ...body }, "/v1/chat/completions");
    const error = await errorOf(answer);
    expect([answer.status, error.param]).toEqual([400, param]);
    expect(error.message).toContain(message);
  });

  test("harmless keys of the OpenAI form are taken", async () => {
    const harmless = {
      user: "me",
      metadata: { a: "b" },
      store: false,
      service_tier: "auto",
      max_tokens: 2,
    };
    expect((await post({ model: "hash", prompt: "a", ...harmless })).status).toBe(200);
    const chat = { messages: [{ role: "user", content: "a", name: "x" }], ...harmless };
    const more = { reasoning_effort: "low", tools: [], parallel_tool_calls: true, n: null };
    expect((await post({ ...chat, ...more }, "/v1/chat/completions")).status).toBe(200);
  });

  test("a prompt that is too long is cut at its start when asked", async () => {
    const cut = await post({
      ...plain,
      prompt: `${"x".repeat(600)}abc`,
      truncate_prompt_tokens: 3,
    });
    const whole = await post(plain);
    const choicesOf = async (answer: Response) =>
      ((await answer.json()) as OpenAI.Completion).choices;
    expect(await choicesOf(cut)).toEqual(await choicesOf(whole));
  });

  test("paths and methods that are not there", async () => {
    const missing = await server.ask("/v1/embeddings");
    expect([missing.status, (await errorOf(missing)).code]).toEqual([404, "unknown_url"]);
    const method = await server.ask("/v1/completions");
    expect([method.status, method.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await server.ask("/v1/models/other")).status).toBe(404);
    expect((await server.ask("/v1/models/hash")).status).toBe(200);
  });

  test("the client throws its own kinds", async () => {
    const { client } = server;
    await expect(client.models.retrieve("other")).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.completions.create({ ...plain, max_tokens: 101 })).rejects.toThrow(
      OpenAI.BadRequestError,
    );
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(["hash"]);
  });
});

describe("access", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop(0));

  /** A request as it stands on the wire, since clients do not let one lie about the host. */
  const raw = (lines: readonly string[], path = "/v1/models") =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, "127.0.0.1");
      let text = "";
      socket.on("data", (data) => {
        text += data;
      });
      socket.on("end", () => resolve(text));
      socket.on("error", reject);
      socket.write([`GET ${path} HTTP/1.1`, ...lines, "Connection: close", "", ""].join("\r\n"));
    });
  const right = `Authorization: Bearer ${TOKEN}`;

  test.each<[string, readonly string[], number]>([
    ["without a token", ["Host: 127.0.0.1"], 401],
    ["with another token", ["Host: 127.0.0.1", "Authorization: Bearer x"], 401],
    ["with the token", ["Host: localhost:1234", right], 200],
    ["with the scheme in small letters", ["Host: [::1]", `authorization: bearer ${TOKEN}`], 200],
    ["by another name", ["Host: evil.example", right], 403],
    ["by a name that begins alike", ["Host: localhost.evil.example", right], 403],
    ["from a page elsewhere", ["Host: localhost", "Origin: https://evil.example", right], 403],
    ["from a page of no site", ["Host: localhost", "Origin: null", right], 403],
    [
      "from a page of this machine",
      ["Host: localhost", "Origin: http://localhost:5173", right],
      200,
    ],
  ])("%s", async (_, lines, status) => {
    expect(await raw(lines)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test("health needs no token, metrics do", async () => {
    expect(await raw(["Host: localhost"], "/health")).toContain('{"status":"ok"}');
    expect(await raw(["Host: localhost"], "/metrics")).toMatch(/^HTTP\/1.1 401 /);
    const text = await (await server.ask("/metrics")).text();
    expect(text).toContain('meshloom_requests_total{path="/v1/models",status="403"} 4');
    for (const line of text.trimEnd().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|\S+(\{.*\})? \S+)$/);
  });
});

describe("under load", () => {
  let server: TestServer;
  afterEach(() => server.stop(0));

  test("40 clients at once each get exactly their text", async () => {
    server = await testServer();
    const draw = (i: number, what: number, below: number) => drawBelow(below, i, what);
    const bodies = Array.from({ length: 40 }, (_, i) => ({
      model: "hash",
      prompt: Array.from({ length: 1 + draw(i, 1, 150) }, (_, j) =>
        String.fromCharCode(
          LETTERS[draw(i, 10 + (j % (1 + draw(i, 2, 20))), LETTERS.length)] ?? 97,
        ),
      ).join(""),
      max_tokens: 1 + draw(i, 3, 80),
      seed: draw(i, 4, 5),
      temperature: draw(i, 5, 3) / 2,
      ...(draw(i, 6, 3) === 0 ? { stop: ["a.", " b"] } : {}),
    }));
    const expected: string[] = [];
    for (const body of bodies)
      expected.push((await server.client.completions.create(body)).choices[0]?.text ?? "");
    const all = [0, 1, 2].flatMap((turn) =>
      bodies.map((body, i) => ({ body, i, kind: (turn + i) % 4 })),
    );
    // In waves of 40, each of them another mix of streams, whole answers and clients that go away.
    for (const turn of [0, 1, 2]) {
      await Promise.all(
        all.slice(turn * 40, (turn + 1) * 40).map(async ({ body, i, kind }) => {
          if (kind === 0) {
            const { choices } = await server.client.completions.create(body);
            return expect(choices[0]?.text).toBe(expected[i]);
          }
          const stream = await server.client.completions.create({ ...body, stream: true });
          let text = "";
          for await (const chunk of stream) {
            text += chunk.choices[0]?.text ?? "";
            if (kind === 1 && text.length > 5) return stream.controller.abort();
          }
          expect(text).toBe(expected[i]);
        }),
      );
    }
    await server.engine.idle();
    expect(server.errors).toEqual([]);
    await settled(() => server.admission.open === 0);
  });

  test("a client that vanishes frees its slot within a step", async () => {
    server = await testServer({ engine: { slots: 1, context: 4096 }, limits: { maxTokens: 4000 } });
    const gate = gated(server);
    const stream = await server.client.completions.create({
      ...plain,
      max_tokens: 3000,
      stream: true,
    });
    for await (const _ of stream) break;
    stream.controller.abort();
    await settled(() => server.admission.open === 0);
    const { steps } = server.engine.counters;
    const next = server.client.completions.create({ ...plain, max_tokens: 3 });
    expect((await next).choices[0]?.text).toHaveLength(3);
    // One step may have been under way when the client went.
    expect(server.engine.counters.steps - steps).toBeLessThanOrEqual(3 + 1);
    expect(server.engine.counters.cancelled).toBe(1);
    gate.open();
  });

  test("whole answers are given up as well, and those that still wait", async () => {
    server = await testServer({ engine: { slots: 1, context: 4096 }, limits: { maxTokens: 4000 } });
    const gate = gated(server);
    const controllers = [new AbortController(), new AbortController()];
    const asked = controllers.map(({ signal }) =>
      server.client.completions.create({ ...plain, max_tokens: 3000 }, { signal }),
    );
    await settled(() => server.engine.running + server.engine.waiting === 2);
    for (const controller of controllers) controller.abort();
    for (const one of asked) await expect(one).rejects.toThrow(OpenAI.APIUserAbortError);
    await settled(() => server.engine.running + server.engine.waiting === 0);
    expect(server.engine.counters).toMatchObject({ cancelled: 2, finished: 0 });
    gate.open();
  });

  test("more than fit are refused, with the time to come again", async () => {
    server = await testServer({ engine: { slots: 1 }, limits: { queue: 1 } });
    const gate = gated(server, true);
    const first = server.client.completions.create(plain);
    const second = server.client.completions.create(plain);
    await settled(() => server.admission.open === 2);
    const third = await server.ask("/v1/completions", {
      method: "POST",
      body: JSON.stringify(plain),
    });
    expect(third.status).toBe(429);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await errorOf(third)).toMatchObject({
      type: "rate_limit_error",
      code: "queue_full",
    });
    await expect(server.client.completions.create(plain)).rejects.toThrow(OpenAI.RateLimitError);
    await expect(server.client.completions.create({ ...plain, n: 3 })).rejects.toThrow(
      "3 texts at once are more than this server's 2 places",
    );
    gate.open();
    expect((await first).choices).toEqual((await second).choices);
  });

  test("one client has no more than its share", async () => {
    server = await testServer({ limits: { perClient: 1 } });
    const gate = gated(server, true);
    const first = server.client.completions.create(plain);
    await settled(() => server.admission.open === 1);
    await expect(server.client.completions.create(plain)).rejects.toThrow(
      "1 requests of this client are under way",
    );
    gate.open();
    await first;
    await server.client.completions.create(plain);
  });

  test("an answer that takes too long is ended, and says so", async () => {
    server = await testServer({ limits: { seconds: 0.2 } });
    gated(server, true);
    await expect(server.client.completions.create(plain)).rejects.toMatchObject({
      status: 504,
      code: "request_timeout",
    });
    const stream = await server.client.chat.completions.create({
      model: "hash",
      messages: [{ role: "user", content: "a" }],
      stream: true,
    });
    const read = async () => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toThrow("the answer took longer than this server allows");
    await settled(() => server.admission.open === 0);
  });

  test("stops in order: what runs is ended after the grace, what comes is refused", async () => {
    server = await testServer({ engine: { context: 4096 }, limits: { maxTokens: 4000 } });
    gated(server, true);
    const stream = await server.client.completions.create({ ...plain, stream: true });
    const rest = (async () => {
      for await (const _ of stream);
    })();
    const refused = expect(rest).rejects.toThrow("the server is stopping");
    const stopped = server.stop(0.2);
    await refused;
    await stopped;
    await expect(server.client.models.list()).rejects.toThrow(OpenAI.APIConnectionError);
  });

  test("stops at once when nothing runs, and lets what runs end within the grace", async () => {
    server = await testServer();
    const answer = server.client.completions.create(plain);
    await settled(() => server.admission.open === 1);
    await server.stop(30);
    expect((await answer).choices[0]?.text).toHaveLength(30);
  });

  test("an engine that fails is the server's fault, told without its insides", async () => {
    server = await testServer();
    server.decoder.before = () => {
      throw new Error("at /secret/path");
    };
    await expect(server.client.completions.create(plain)).rejects.toMatchObject({
      status: 500,
      error: {
        message: "the server failed",
        type: "server_error",
        code: "internal_error",
        param: null,
      },
    });
    expect(server.errors).toHaveLength(1);
  });
});

test("a port in use, and an address that is none, are said with what to do", async () => {
  const { startServer } = await import("./server.ts");
  const server = await testServer();
  const options = { limits: {} as never, model: {} as never, onError: () => {} };
  const on = (host: string, port: number) =>
    startServer({ ...options, access: { token: "x", host }, port });
  await expect(on("127.0.0.1", server.port)).rejects.toThrow(
    `serve: port ${server.port} of 127.0.0.1 is in use.\n  fix    choose another --port, or --port 0 for any free one    [SERVE-01]`,
  );
  await expect(on("192.0.2.1", 0)).rejects.toThrow(
    'serve: "192.0.2.1" is no address of this machine.',
  );
  const open = startServer({ ...options, access: { token: undefined, host: "0.0.0.0" }, port: 0 });
  await expect(open).rejects.toThrow(
    "serve: without a token anyone who reaches 0.0.0.0 could use the model.",
  );
  await server.stop(0);
});

/** Steps that take some time; or, when shut, that wait until the gate is opened. */
function gated(server: TestServer, shut = false): { open(): void } {
  let release = () => {};
  const opened = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.decoder.before = shut
    ? () => opened
    : () => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    open() {
      server.decoder.before = () => {};
      release();
    },
  };
}

async function settled(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

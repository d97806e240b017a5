import { connect } from "node:net";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../../src/serve/server.ts";
import { errorOf, plain, type TestServer, TOKEN, testServer } from "./server.ts";

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

test("a port in use, and an address that is none, are said with what to do", async () => {
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

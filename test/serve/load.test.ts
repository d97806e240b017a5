import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { drawBelow } from "../../src/data/permutation.ts";
import { errorOf, LETTERS, plain, type TestServer, testServer } from "./server.ts";

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

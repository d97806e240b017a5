import { connect } from "node:net";
import { expect, test } from "vitest";
import { TOKEN, testServer } from "../serve/server.ts";

test("a reader who takes nothing holds no slot, and is cut off in the end", async () => {
  const server = await testServer({
    engine: { slots: 1, context: 8192 },
    limits: { maxTokens: 8000, seconds: 25 },
  });
  const socket = connect(server.port, "127.0.0.1");
  socket.pause();
  let cut = false;
  socket.on("close", () => {
    cut = true;
  });
  socket.on("error", () => {});
  // More bytes than the system's buffers take.
  const body = JSON.stringify({
    prompt: "abc",
    max_tokens: 8000,
    logprobs: 20,
    stream: true,
    logit_bias: { "46": -100 },
  });
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await settled(() => server.engine.running === 1);
  // The slot is free as soon as the text is written, read or not.
  const other = await server.client.completions.create({
    model: "hash",
    prompt: "b",
    max_tokens: 5,
  });
  expect(other.choices[0]?.text).toHaveLength(5);
  expect(server.admission.open).toBe(1);
  await settled(() => server.admission.open === 0);
  socket.resume();
  await settled(() => cut);
  expect(server.engine.counters).toMatchObject({ finished: 2, cancelled: 0 });
  await server.stop(0);
});

async function settled(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

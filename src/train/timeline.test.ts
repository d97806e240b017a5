import { expect, test } from "vitest";
import { createTimeline } from "./timeline.ts";

test("a timeline of work inside work nests", async () => {
  let clock = 0;
  const timeline = createTimeline("run", () => clock++);
  const value = await timeline.span("loop", "step", async () => {
    await timeline.span("loop", "batch", async () => {});
    await timeline.span("writer", "checkpoint", async () => {});
    return 7;
  });
  expect(value).toBe(7);
  await expect(
    timeline.span("loop", "fails", async () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
});

import { afterAll, expect, test } from "vitest";
import { ntft } from "./ntft.ts";
import { createTransformThreads } from "./off-thread.ts";
import type { Series } from "./series.ts";

const threads = createTransformThreads(2);
afterAll(() => threads.close());

const series: Series = {
  ...{ name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: Float64Array.from({ length: 744 }, (_, n) => Math.cos(n / 11) + Math.sin((n * n) / 900)),
};

test("threads give the same numbers as one, in the order of the periods", async () => {
  const options = { periods: [5.9, 1, 8.5, 0.5, 3], every: 3 };
  const [apart, here] = [await threads.ntft(series, options), ntft(series, options)];
  expect(apart.re.map((row) => [...row])).toEqual(here.re.map((row) => [...row]));
  expect(apart.im.map((row) => [...row])).toEqual(here.im.map((row) => [...row]));
  expect(apart.times).toEqual(here.times);
  expect(apart.edge).toEqual(here.edge);
});

test("calls at the same time take their turns; a scale of one's own stays here", async () => {
  const own = { periods: [4], kernel: { scale: (omega: number) => omega / 2 } };
  const maps = await Promise.all([
    threads.ntft(series, { periods: [4] }),
    threads.ntft(series, { periods: [2] }),
    threads.ntft(series, own),
  ]);
  expect(maps.map(({ re }) => re[0]?.[300])).toEqual(
    [{ periods: [4] }, { periods: [2] }, own].map((o) => ntft(series, o).re[0]?.[300]),
  );
});

test("errors are those of one thread", async () => {
  await expect(threads.ntft(series, { periods: [5, 90] })).rejects.toMatchObject({
    code: "SIGNAL-02",
    message: expect.stringContaining("a period of 90 years is too long"),
  });
});

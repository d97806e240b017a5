import { expect, test } from "vitest";
import { powerOf, powerWords } from "./power.ts";

const estimate = (value: number, sd: number) => ({
  ...{ value, sd },
  interval: [value - 2 * sd, value + 2 * sd] as const,
});
const judged = (damping: number, sd: number) => ({
  period: estimate(5.96, 0.2),
  damping: estimate(damping, sd),
  amplitude: estimate(0.06, 0.027),
});

test("a damping below two deviations is none, and the least that would have shown is told", () => {
  const power = powerOf(judged(0.036, 0.021));
  expect(power.damped).toBe("neither");
  expect(power.leastDamping).toBeCloseTo(0.042, 12);
  expect(power.mostQuality).toBeCloseTo(Math.PI / (0.042 * 5.96), 9);
  expect(power.amplitudeShows).toBe(true);
  expect(powerOf(judged(0.05, 0.021)).damped).toBe("decays");
  expect(powerOf(judged(-0.05, 0.021)).damped).toBe("grows");
});

test("in words, with units", () => {
  expect(powerWords(judged(0.036, 0.021), "ms", "years")).toBe(
    "5.96 years: shows neither decay nor growth at two standard deviations. This record could have shown a damping " +
      "of 0.042 per year or more, a Q of 12.6 or less; it does not test a weaker one. Its amplitude of 0.06 ms stands " +
      "out of the noise, in which two standard deviations are 0.054 ms.",
  );
  expect(powerWords(judged(0, 0), "ms", "years")).toContain("the damping was held at 0 per year");
});

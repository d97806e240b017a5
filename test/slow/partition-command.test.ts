/** @file `meshloom partition` and `bench utilization`, as a user calls them. */

import { expect, test } from "vitest";
import { meshloom } from "../command-line.ts";

const partition = async (...words: readonly string[]) => {
  const { code, out, err } = await meshloom("partition", ...words, "--json");
  expect(err).toBe("");
  expect(code).toBe(0);
  return JSON.parse(out);
};
const bytes = (found: { collectives: { kind: string; bytes: number }[] }, kind: string) =>
  found.collectives.find((each) => each.kind === kind)?.bytes ?? 0;

test("a program for many devices is as long as one for few; a trillion parameters are split among all", async () => {
  const few = await partition("gspmd-1t", "--mesh", "x=4,y=8", "--rules", "finalised");
  const many = await partition("gspmd-1t", "--mesh", "x=32,y=64", "--rules", "finalised");
  expect(many.devices).toBe(2048);
  // Choices go by sizes, so one equation more or less is no growth.
  expect(Math.abs(many.localEquations / few.localEquations - 1)).toBeLessThan(0.01);
  // Float32 weights, 4 bytes each. Beside them: second moments of attention, of which only the width and the heads are
  // means, and the table, which y alone splits.
  const share = (4 * 1_100_041_175_040) / 2048;
  expect(many.memoryBytesPerDevice.state / share).toBeGreaterThan(1);
  expect(many.memoryBytesPerDevice.state / share).toBeLessThan(1.1);
  expect(many.predictedUtilization).toBeGreaterThan(0.4);
});

test("experts exchange tokens among all, and no device sees another's examples", async () => {
  const found = await partition("gspmd-moe-37b", "--mesh", "data=128");
  expect(bytes(found, "allToAll")).toBeGreaterThan(0);
  const weights = found.parameters.find(({ name }: { name: string }) =>
    name.endsWith("sparse/experts/wi"),
  );
  expect(weights.sharding).toBe("[-, data, -, -]");
});

test("a volume that is split sends its halos, and a device does its share of the work", async () => {
  const whole = await partition("unet3d-256", "--mesh", "data=4");
  const split = await partition("unet3d-256", "--mesh", "data=4,x=4,y=2");
  expect(bytes(split, "collectivePermute")).toBeGreaterThan(0);
  expect(bytes(split, "collectivePermute")).toBeLessThan(2 ** 29);
  expect(split.flopsPerDevice / whole.flopsPerDevice).toBeCloseTo(1 / 8, 2);
  const held = ({ state, peakOfTheRest }: { state: number; peakOfTheRest: number }) =>
    state + peakOfTheRest;
  expect(held(split.memoryBytesPerDevice)).toBeLessThan(0.25 * held(whole.memoryBytesPerDevice));
});

test("a Conformer lies on data and model", async () => {
  const found = await partition("conformer-6.47b", "--mesh", "data=16,model=8");
  expect(found.devices).toBe(128);
  expect(bytes(found, "reduceScatter")).toBeGreaterThan(0);
});

test("models of other data are no language models, and say so", async () => {
  const { code, err } = await meshloom("describe", "unet3d-nano");
  expect(code).not.toBe(0);
  expect(err).toContain('"unet3d-nano" is no language model');
});

test("bench utilization prints predicted beside measured", async () => {
  const { code, out } = await meshloom("bench", "utilization", "--only", "lingvo-128b-8x8");
  expect(code).toBe(0);
  expect(out).toMatch(/lingvo-128b-8x8 .* 39\.0/);
  expect(out).toContain("over 1 measured rows");
});

test("a mesh axis that splits nothing is told, and refused when asked", async () => {
  const words = ["partition", "gspmd-nano", "--mesh", "x=2,model=2"];
  const told = await meshloom(...words);
  expect(told.code).toBe(0);
  expect(told.err).toMatch(
    /nothing of gspmd-nano is split over x\.[\s\S]*--rules batch=x[\s\S]*SHARD-01/,
  );
  const refused = await meshloom(...words, "--strict");
  expect(refused.code).not.toBe(0);
  expect(refused.out).toBe("");
});

test("a file of rules that is not there, or holds none, is refused by name", async () => {
  const words = ["partition", "gspmd-nano", "--mesh", "data=2", "--rules"];
  const missing = await meshloom(...words, "no/such.json");
  expect(missing.code).not.toBe(0);
  expect(missing.err).toMatch(
    /rules: no\/such\.json cannot be read[\s\S]*batch=data[\s\S]*CONFIG-01/,
  );
  const other = await meshloom(...words, "package.json");
  expect(other.code).not.toBe(0);
  expect(other.err).toMatch(/rules: package\.json is no list of axis words/);
});

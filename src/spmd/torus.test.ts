/** @file Slices and rings on tori, by hand. */

import { describe, expect, test } from "vitest";
import { ShardingError } from "../core/errors.ts";
import { groupsAlong, makeMesh, wholeAxis } from "../core/mesh.ts";
import { DEVICES, deviceNamed } from "./devices.ts";
import { axesOfGroup, layoutOf, ringOf, sliceOf } from "./torus.ts";

test.each([
  [64, 2, [8, 8]],
  [512, 2, [16, 32]],
  [128, 3, [4, 4, 8]],
  [1024, 3, [8, 8, 16]],
  [12, 3, [2, 2, 3]],
  [1, 2, [1, 1]],
])("%i chips along %i axes", (chips, axes, lengths) => {
  expect(sliceOf(chips, axes)).toEqual(lengths);
});

const v3 = deviceNamed("tpu-v3");
const torusOf = (name: string) => {
  const { torus } = deviceNamed(name);
  if (torus === null) throw new Error("no torus");
  return torus;
};
const groupOf = (mesh: ReturnType<typeof makeMesh>, axis: string) =>
  groupsAlong(mesh, [wholeAxis(mesh, axis)])[0] ?? [];

describe("a mesh on a slice", () => {
  const waysOf = (sizes: Record<string, number>, name: string) =>
    layoutOf(makeMesh(sizes), torusOf(name));

  test("the last axis that can takes the cores of a chip", () => {
    const layout = waysOf({ x: 8, y: 16 }, "tpu-v3");
    expect(layout?.get("x")).toEqual([{ size: 8, kind: "open" }]);
    expect(layout?.get("y")).toEqual([
      { size: 2, kind: "cores" },
      { size: 8, kind: "open" },
    ]);
  });

  test("a longer first axis takes them where the last cannot; whole pods are closed", () => {
    const layout = waysOf({ x: 64, y: 32 }, "tpu-v3");
    expect(layout?.get("x")).toEqual([
      { size: 2, kind: "cores" },
      { size: 32, kind: "closed" },
    ]);
    expect(layout?.get("y")).toEqual([{ size: 32, kind: "closed" }]);
  });

  test("one mesh axis runs along several axes of the torus", () => {
    expect(
      waysOf({ x: 16, y: 4 }, "tpu-v5p")
        ?.get("x")
        ?.map(({ size }) => size),
    ).toEqual([4, 4]);
    expect(waysOf({ data: 256 }, "tpu-v5e")?.get("data")?.length).toBe(2);
  });

  test("sizes that are no products of the slice's have no place on it", () => {
    expect(waysOf({ x: 3, y: 5 }, "tpu-v3")).toBeUndefined();
    expect(waysOf({ x: 2, y: 2, z: 32 }, "tpu-v5e")).toBeUndefined();
  });
});

describe("rings", () => {
  test("axes of a group are those along which its members differ", () => {
    const mesh = makeMesh({ a: 2, b: 3, c: 2 });
    expect(axesOfGroup(mesh, [0, 6])).toEqual(["a"]);
    expect(axesOfGroup(mesh, [0, 1, 6, 7])).toEqual(["a", "c"]);
  });

  test("cores of a chip share its links, unless the stream passes through both", () => {
    const mesh = makeMesh({ x: 8, y: 16 });
    // Open axes: one stream a link. Steps: 7 between chips; those, and one inside the chip.
    expect(ringOf(v3, groupOf(mesh, "x"), mesh)).toMatchObject({ rate: 50e9, hops: 7 });
    expect(ringOf(v3, groupOf(mesh, "y"), mesh)).toMatchObject({ rate: 100e9, hops: 8 });
  });

  test("closed axes carry two streams, several axes the sum", () => {
    const pod = makeMesh({ x: 32, y: 64 });
    expect(ringOf(v3, groupOf(pod, "x"), pod)).toMatchObject({ rate: 100e9, hops: 31 });
    expect(ringOf(v3, groupOf(pod, "y"), pod)).toMatchObject({ rate: 200e9, hops: 32 });
    const e = deviceNamed("tpu-v5e");
    const flat = makeMesh({ data: 256 });
    expect(ringOf(e, groupOf(flat, "data"), flat)).toMatchObject({ rate: 4 * 45e9, hops: 30 });
  });

  test("behind a switch, and without a mesh", () => {
    const mesh = makeMesh({ data: 8 });
    expect(ringOf(deviceNamed("h100"), groupOf(mesh, "data"), mesh)).toMatchObject({
      ...{ rate: 450e9, hops: 7 },
    });
    expect(ringOf(v3, [0, 1, 2, 3])).toMatchObject({ rate: 50e9, hops: 3 });
  });
});

test("devices are told by name, the nearest where there is none", () => {
  for (const { name } of DEVICES) expect(deviceNamed(name).name).toBe(name);
  expect(() => deviceNamed("tpu-v6")).toThrow(ShardingError);
  expect(() => deviceNamed("h10")).toThrow('did you mean "h100"?');
});

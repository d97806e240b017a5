import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  groupsAlong,
  joinParts,
  type Mesh,
  makeMesh,
  parseMesh,
  placeAlong,
  showMesh,
  wholeAxis,
} from "../core/mesh.ts";
import { at } from "../core/ndarray.ts";
import { runTogether } from "../testing/together.ts";
import { deviceAlong } from "./place.ts";
import {
  parseSharding,
  type Sharding,
  sameLayout,
  shardingOn,
  shardSize,
  showSharding,
} from "./sharding.ts";
import { fromXla, parseXla, tilesOf, toXla } from "./xla-text.ts";

const runs = { seed: 11, numRuns: 300 };

/** Meshes of up to three axes, and a sharding of up to three dimensions on it; sub-axes too. */
const anySharding: fc.Arbitrary<{ mesh: Mesh; sharding: Sharding }> = fc
  .record({
    sizes: fc.array(fc.constantFrom(1, 2, 3, 4, 6), { minLength: 1, maxLength: 3 }),
    cuts: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    places: fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 6, maxLength: 6 }),
    order: fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
    rank: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ sizes, cuts, places, order, rank }) => {
    const mesh = makeMesh(Object.fromEntries(sizes.map((size, i) => ["xyz"[i] ?? "", size])));
    const parts = mesh.axes.flatMap(({ name, size }, i) => {
      const cut = cuts[i] === true && size > 2 && size % 2 === 0;
      return cut
        ? [{ name, before: 1, size: 2 }, { name, before: 2, size: size / 2 }] // biome-ignore format: two halves
        : [{ name, before: 1, size }];
    });
    const dims = Array.from({ length: rank }, (_, dim) =>
      joinParts(order.filter((at) => at in parts && places[at] === dim).map((at) => parts[at]!)),
    );
    return { mesh, sharding: shardingOn(dims) };
  });

describe("a mesh", () => {
  test("is read and printed", () => {
    const mesh = parseMesh("data=4, model=2");
    expect(mesh).toEqual(makeMesh({ data: 4, model: 2 }));
    expect(showMesh(mesh)).toBe("data=4,model=2");
    for (const text of ["data", "data=0", "data=2,data=3", "2=2", "data=-1", ""])
      expect(() => parseMesh(text), text).toThrow("[SHARD-01]");
  });

  test("groups devices that differ along axes, in their order", () => {
    const mesh = makeMesh({ data: 2, model: 3 });
    const [data, model] = [wholeAxis(mesh, "data"), wholeAxis(mesh, "model")];
    expect(groupsAlong(mesh, [data])).toEqual([[0, 3], [1, 4], [2, 5]]); // biome-ignore format: groups
    expect(groupsAlong(mesh, [model, data])).toEqual([[0, 3, 1, 4, 2, 5]]);
    expect(groupsAlong(mesh, [])).toEqual([[0], [1], [2], [3], [4], [5]]);
    expect(groupsAlong(mesh, [data])).toBe(groupsAlong(mesh, [data]));
    expect([0, 1, 2, 3].map((device) => placeAlong(mesh, [model, data], device))).toEqual([
      0, 2, 4, 1,
    ]);
  });
});

describe("a sharding", () => {
  test("is read and printed", () => {
    const mesh = makeMesh({ data: 4, model: 2, expert: 3 });
    for (const text of [
      "[data, -, model+expert?]",
      "[?, -@2, data:(2)2]",
      "[] whole data",
      "[-] sum model+data",
    ]) {
      expect(showSharding(parseSharding(mesh, text), mesh)).toBe(text);
    }
    expect(showSharding(parseSharding(mesh, "[data:(1)2+data:(2)2]"), mesh)).toBe("[data]");
  });

  test("is what was read, for any", () => {
    fc.assert(
      fc.property(anySharding, ({ mesh, sharding }) => {
        expect(sameLayout(parseSharding(mesh, showSharding(sharding, mesh)), sharding)).toBe(true);
        expect(sameLayout(parseSharding(mesh, showSharding(sharding)), sharding)).toBe(true);
      }),
      runs,
    );
  });

  test("that cannot be says which axis", () => {
    const mesh = makeMesh({ data: 4, model: 2 });
    expect(() => parseSharding(mesh, "[data, data]")).toThrow('axis "data" stands twice');
    expect(() => parseSharding(mesh, "[data:(1)2, data]")).toThrow('axis "data" stands twice');
    expect(() => parseSharding(mesh, "[modle]")).toThrow('did you mean "model"?');
    expect(() => parseSharding(mesh, "[data:(1)3]")).toThrow(
      "data:(1)3 is no part of an axis of 4",
    );
    expect(() => parseSharding(mesh, "[data,, model]")).toThrow("cannot read");
    expect(() => parseSharding(mesh, "data")).toThrow("cannot read");
  });

  test("has shards of equal size, the last ones padded", () => {
    const mesh = makeMesh({ a: 4, b: 2 });
    const [a, b] = [wholeAxis(mesh, "a"), wholeAxis(mesh, "b")];
    expect([10, 6, 5, 3].map((size) => shardSize(size, [a]))).toEqual([3, 2, 2, 1]);
    expect(shardSize(9, [a, b])).toBe(2);
  });
});

describe("XLA's notation", () => {
  test.each([
    [{ a: 2, b: 4 }, "[a, b]", "{devices=[2,4]<=[8]}"],
    [{ a: 2, b: 4 }, "[b, a]", "{devices=[4,2]<=[2,4]T(1,0)}"],
    [{ a: 2, b: 4 }, "[a, -]", "{devices=[2,1,4]<=[8] last_tile_dim_replicate}"],
    [{ a: 2, b: 4 }, "[b, -]", "{devices=[4,1,2]<=[2,4]T(1,0) last_tile_dim_replicate}"],
    [{ a: 2, b: 4 }, "[a+b, -]", "{devices=[8,1]<=[8]}"],
    [{ a: 2, b: 4 }, "[b+a, -]", "{devices=[8,1]<=[2,4]T(1,0)}"],
    [{ x: 2, y: 2, z: 2 }, "[x, z, y]", "{devices=[2,2,2]<=[2,2,2]T(0,2,1)}"],
    [{ x: 2, y: 2, z: 2 }, "[z, -]", "{devices=[2,1,4]<=[4,2]T(1,0) last_tile_dim_replicate}"],
    [{ x: 2, y: 2, z: 2 }, "[y, z+x]", "{devices=[2,4]<=[2,4]T(1,0)}"],
    [
      { x: 2, y: 2, z: 2 },
      "[x+z, -]",
      "{devices=[4,1,2]<=[2,2,2]T(0,2,1) last_tile_dim_replicate}",
    ],
    [{ x: 2, y: 2, z: 4 }, "[y]", "{devices=[2,8]<=[2,2,4]T(1,0,2) last_tile_dim_replicate}"],
    [
      { x: 2, y: 2, z: 4 },
      "[-, x+z, -]",
      "{devices=[1,8,1,2]<=[2,2,4]T(0,2,1) last_tile_dim_replicate}",
    ],
    [{ x: 2, y: 2 }, "[-, -]", "{replicated}"],
  ])("of %j %s is %s", (sizes, text, wanted) => {
    const mesh = makeMesh(sizes as Record<string, number>);
    const sharding = parseSharding(mesh, text);
    expect(toXla(mesh, sharding)).toBe(wanted);
    expect(showSharding(fromXla(mesh, wanted, sharding.dims.length), mesh)).toBe(text);
  });

  test("of any sharding names the device that holds each tile, and is read back", () => {
    fc.assert(
      fc.property(anySharding, ({ mesh, sharding }) => {
        const { dims, devices, tail } = tilesOf(mesh, sharding);
        const copies = dims.slice(dims.length - tail.length).reduce((a, b) => a * b, 1);
        devices.forEach((device, at) => {
          let tile = Math.floor(at / copies);
          const places = [...sharding.dims].reverse().map(({ axes }, i) => {
            const count = dims[sharding.dims.length - 1 - i] ?? 1;
            const place = tile % count;
            tile = Math.floor(tile / count);
            return place === placeAlong(mesh, axes, device);
          });
          expect(places).not.toContain(false);
        });
        const text = toXla(mesh, sharding);
        const back = fromXla(mesh, text, sharding.dims.length);
        expect(toXla(mesh, back)).toBe(text);
        const listed = `{devices=[${dims.join(",")}]${devices.join(",")}${tail.length > 0 ? " last_tile_dim_replicate" : ""}}`;
        expect(toXla(mesh, fromXla(mesh, listed, sharding.dims.length))).toBe(text);
      }),
      runs,
    );
  });

  test("of all kinds is read", () => {
    expect(parseXla("{maximal device=3}")).toEqual({ kind: "maximal", device: 3 });
    expect(parseXla("{{replicated}, {devices=[2]0,1}}")).toMatchObject({
      kind: "tuple",
      items: [{}, {}],
    });
    expect(parseXla("{devices=[2,1,1,2]<=[4] last_tile_dims={manual, replicated}}")).toMatchObject({
      tiles: { tail: ["manual", "replicated"], devices: [0, 1, 2, 3] },
    });
    expect(parseXla('{devices=[2]<=[2] metadata={op_name="a"}}')).toMatchObject({ kind: "tiled" });
    for (const text of [
      "replicated",
      "{devices=[2]0,0}",
      "{devices=[2,2]<=[2]}",
      "{devices=[2]<=[2]T(1)}",
      "{{}",
    ])
      expect(() => parseXla(text), text).toThrow("[SHARD-01]");
  });

  test("that no axes of the mesh make is refused", () => {
    const mesh = makeMesh({ x: 4 });
    expect(() => fromXla(mesh, "{devices=[4]0,2,1,3}", 1)).not.toThrow();
    expect(() => fromXla(mesh, "{devices=[4]0,1,3,2}", 1)).toThrow("no box in the mesh");
    expect(() => fromXla(mesh, "{devices=[8]<=[8]}", 1)).toThrow("8 devices, and the mesh has 4");
    expect(() => fromXla(mesh, "{devices=[4]<=[4]}", 2)).toThrow(
      "1 dimensions, and the tensor has 2",
    );
  });
});

test("a device computes its own place", () => {
  const mesh = makeMesh({ a: 2, b: 4, c: 3 });
  const [b, c] = [wholeAxis(mesh, "b"), wholeAxis(mesh, "c")];
  const half = { name: "b", before: 2, size: 2 };
  const lists = [[b], [c, b], [half], [], [half, { name: "b", before: 1, size: 2 }]];
  const devices = Array.from({ length: 24 }, () => []);
  const found = runTogether(
    "places",
    () => lists.map((parts) => deviceAlong(mesh, parts)),
    devices,
  );
  found.forEach((places, device) => {
    expect(places.map((place) => at(place, 0))).toEqual(
      lists.map((parts) => placeAlong(mesh, parts, device)),
    );
  });
});

import { describe, expect, test } from "vitest";
import { build } from "../../core/ndarray.ts";
import { difference, prepare, sentByUs, TOLERANCE } from "./agreement.ts";
import { define } from "./case.ts";
import { COMMUNICATION } from "./communication.ts";
import { CORPUS, caseNamed, casesLike } from "./corpus.ts";
import { EXCESS } from "./excess.ts";

const names = CORPUS.map(({ name }) => name);

describe("the agreement corpus", () => {
  test("has hundreds of programs, each name once", () => {
    expect(names.length).toBeGreaterThanOrEqual(150);
    expect(new Set(names).size).toBe(names.length);
  });

  test("goes over one to eight devices, on up to three axes, uneven sizes among them", () => {
    const devices = new Set(
      CORPUS.map(({ mesh }) =>
        mesh.split(",").reduce((count, axis) => count * Number(axis.split("=")[1]), 1),
      ),
    );
    expect([...devices].sort()).toEqual([1, 3, 4, 5, 6, 7, 8]);
    expect(Math.max(...CORPUS.map(({ mesh }) => mesh.split(",").length))).toBe(3);
    expect(names.filter((name) => name.includes("uneven")).length).toBeGreaterThan(10);
  });

  test("is searched by words in names", () => {
    expect(casesLike(["roll", "softmax"]).length).toBeGreaterThan(5);
    expect(casesLike([])).toEqual(CORPUS);
    expect(() => caseNamed("no such")).toThrow('the corpus has no program "no such"');
  });

  test("has every program that may send more than XLA's, once", () => {
    const listed = EXCESS.flatMap((each) => each.names);
    expect(listed.filter((name) => !names.includes(name))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
  });

  test("has the programs whose bytes are known", () => {
    expect(COMMUNICATION.length).toBeGreaterThanOrEqual(27);
    for (const { best, recorded } of COMMUNICATION) expect(best).toBeLessThanOrEqual(recorded);
  });
});

describe("a case", () => {
  const sums = define("test/sums", "x=4", ["10 [x]"], "[-]", (x) => x);

  test("is traced, partitioned and given data", () => {
    const { program, parted, values } = prepare(sums);
    expect(program.inputs.map(({ aval }) => aval.dims)).toEqual([[10]]);
    expect(parted.program.inputs.map(({ aval }) => aval.dims)).toEqual([[3]]);
    expect(values[0]?.dims).toEqual([10]);
  });

  test("sends bytes", () => {
    // Three elements of each of four devices: (n − 1)/n of twelve.
    const [gathered] = sentByUs(
      prepare(caseNamed("reduce/sum of 10 6 [x, -] along 0 → [-] on x=4")),
    ).exchanges;
    expect(gathered).toEqual({ kind: "allReduce", count: 1, bytes: 36 });
  });

  test("refuses a form without a sharding", () => {
    expect(() => define("test/none", "x=4", ["10"], "[x]", (x) => x)).toThrow("no form");
  });
});

describe("the comparison", () => {
  const array = (...elements: number[]) =>
    build({ dtype: "float32", dims: [elements.length] }, (_index, flat) => elements[flat] ?? 0);

  test("allows rounding of the largest element, nothing else", () => {
    expect(difference(array(100, 1 + 99 * TOLERANCE), array(100, 1))).toBeUndefined();
    expect(difference(array(100, 1 + 102 * TOLERANCE), array(100, 1))).toContain("element 1");
    expect(difference(array(1, 2, 3), array(1, 2))).toBe("dims [3]");
  });

  test("knows NaN and infinities", () => {
    expect(difference(array(NaN, Infinity), array(NaN, Infinity))).toBeUndefined();
    expect(difference(array(NaN), array(1))).toContain("element 0 is NaN");
    expect(difference(array(1), array(NaN))).toContain("of the whole NaN");
    expect(difference(array(1e9), array(Infinity))).toContain("element 0");
  });
});

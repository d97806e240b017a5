/** @file Routers by name with their options, from records and from one line of text. */

import { describe, expect, test } from "vitest";
import { balancedTable } from "./hash.ts";
import { parseRouter, ROUTING_RULES, routerOf, routingRule } from "./rules.ts";

describe("a router", () => {
  test("by a wrong name is refused with the nearest one", () => {
    expect(() => routingRule("gshard-top1")).toThrow('did you mean "gshard-top2"?');
  });

  test("takes options that are not named as its rule has them", () => {
    expect(routerOf("top-k").expertsPerToken).toBe(2);
    expect(routerOf("top-k", { k: 4 }).expertsPerToken).toBe(4);
    expect(routerOf("switch-top1").jitter).toBe(0.01);
    expect(routerOf("switch-top1", { jitter: 0 }).jitter).toBe(0);
  });

  test("with an option that it has not is refused with the nearest one", () => {
    expect(() => routerOf("sigmoid-bias", { rat: 0.1 })).toThrow(
      'router: sigmoid-bias has no option "rat"; did you mean "rate"?',
    );
    expect(() => routerOf("expert-choice", { k: 2 })).toThrow(
      'router: expert-choice has no option "k"; it has none',
    );
    // Not what every object has.
    expect(() => routerOf("top-k", { toString: 1 })).toThrow('no option "toString"');
  });

  test.each([
    ["top-k", { k: 0 }, "k = 0", "a whole number from 1"],
    ["top-k", { k: 1.5 }, "k = 1.5", "a whole number from 1"],
    ["top-k", { normalised: "yes" }, 'normalised = "yes"', "true or false"],
    ["gshard-top2", { threshold: 2 }, "threshold = 2", "a number from 0 to 1"],
    ["gshard-top2", { threshold: Number.NaN }, "threshold = null", "a number from 0 to 1"],
    ["gshard-top2", { second: "some" }, 'second = "some"', "one of: all, random, sampling"],
    ["hash", { table: [1, -1] }, "table = [1,-1]", "a list of expert numbers"],
  ])("%s with %o is refused", (name, options, given, wants) => {
    expect(() => routerOf(name, options)).toThrow(`router: ${name} cannot have ${given}.`);
    expect(() => routerOf(name, options)).toThrow(wants);
  });

  test.each(ROUTING_RULES)("$name: what an option is when nobody says is allowed", (rule) => {
    for (const [name, option] of Object.entries(rule.options)) {
      expect(option.accepts(option.otherwise), name).toBe(true);
      expect(option.about.length, name).toBeGreaterThan(10);
    }
  });
});

describe("a router in one line", () => {
  test.each([
    ["expert-choice", { name: "expert-choice", options: {} }],
    ["top-k:k=4,normalised=false", { name: "top-k", options: { k: 4, normalised: false } }],
    [
      "gshard-top2:second=random,threshold=0.3",
      { name: "gshard-top2", options: { second: "random", threshold: 0.3 } },
    ],
  ])("%s", (text, expected) => {
    expect(parseRouter(text)).toEqual(expected);
  });

  test.each(["top-k:", "top-k:k", "top-k:k=", "top-k:=2", "top-k:k=2,"])(
    "%s is refused with an example",
    (text) => {
      expect(() => parseRouter(text)).toThrow(`"${text}" is not a router with its options`);
      expect(() => parseRouter(text)).toThrow("name:option=value,option=value");
    },
  );

  test("with a name, an option or a value that is not there is refused", () => {
    expect(() => parseRouter("topk:k=2")).toThrow('did you mean "top-k"?');
    expect(() => parseRouter("top-k:kk=2")).toThrow('no option "kk"');
    expect(() => parseRouter("top-k:k=two")).toThrow('cannot have k = "two"');
  });
});

describe("a balanced table", () => {
  test("is as even as the most frequent id allows, on Zipf's counts", () => {
    const counts = Array.from({ length: 500 }, (_, rank) => Math.round(10_000 / (rank + 1)));
    const table = balancedTable(counts, 8);
    const load = new Array<number>(8).fill(0);
    table.forEach((expert, id) => {
      load[expert]! += counts[id]!;
    });
    const mean = load.reduce((a, b) => a + b) / 8;
    expect(Math.max(...load)).toBe(counts[0]); // more than an eighth of all by itself
    const others = load.filter((x) => x !== counts[0]);
    expect(Math.max(...others) - Math.min(...others)).toBeLessThan(0.01 * mean);
  });
});

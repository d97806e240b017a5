/** @file What GLaM takes for padding, and configurations that it refuses. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { referenceEngine } from "../../engines/reference/reference.ts";
import { filled, numbers } from "../../testing/tensors.ts";
import type { TokenBatch } from "../../train/model.ts";
import { realTokens } from "../../train/real-tokens.ts";
import { checkRouting, presetByName } from "./config.ts";
import { family } from "./index.ts";
import { readModel } from "./schema.ts";

describe("real tokens", () => {
  const real = async (targets: readonly number[], segments?: readonly number[]) => {
    const row = (ids: readonly number[]) =>
      filled({ batch: 1, pos: ids.length }, (i) => ids[i]!, "int32");
    const batch = {
      tokens: row(targets),
      targets: row(targets),
      ...(segments && { segments: row(segments) }),
    };
    const run = jit((b: TokenBatch<Tensor>) => realTokens(b), { engine: referenceEngine });
    return numbers(await run(batch));
  };

  test("are all that stand before a target", async () => {
    expect(await real([5, 0, 7, 2])).toEqual([1, 1, 1, 1]);
    expect(await real([5, 0, -1, -1])).toEqual([1, 1, 0, 0]);
  });

  test("are those of a prompt as well, from which nothing is learned", async () => {
    expect(await real([-1, -1, 3, -1])).toEqual([1, 1, 1, 0]);
  });

  test("of a packed batch are those of a document", async () => {
    expect(await real([5, -1, 6, -1, -1], [0, 0, 1, 1, -1])).toEqual([1, 1, 1, 1, 0]);
  });
});

describe("a configuration", () => {
  const { model, training } = presetByName("glam-pico");

  test("without a capacity is refused when experts choose", () => {
    const dropless = (router: string) => () =>
      checkRouting({ ...model, dropless: true, router }, training.batch, training.length);
    expect(dropless("expert-choice")).toThrow(
      "dropless: experts of expert-choice choose for their slots, so they cannot do without a capacity.",
    );
    expect(dropless("top-k")).not.toThrow();
  });

  test("with options that its router has not is refused", () => {
    const read = (routerOptions: object) => () =>
      readModel({ ...model, router: "top-k", routerOptions });
    expect(read({ k: 3 })()).toMatchObject({ routerOptions: { k: 3 } });
    expect(read({ kk: 3 })).toThrow('router: top-k has no option "kk"');
  });

  test("takes a router with its options from one line", () => {
    const { model: own, facts } = family.open("glam-pico", { router: "top-k:k=3" });
    expect(own).toMatchObject({ router: "top-k", routerOptions: { k: 3 } });
    const two = family.open("glam-pico", { router: "top-k:k=2" }).facts();
    expect(facts().activatedParameters).toBe(two.activatedParameters + 2 * model.embed * model.mlp);
  });

  test("without anything to learn has no gate, and with shared experts has them", () => {
    const count = (own: object) =>
      family.restore("glam-pico", { ...model, ...own }, training).facts().parameters;
    const gate = model.embed * model.experts;
    expect(count({ router: "hash" })).toBe(count({}) - gate);
    expect(count({ sharedExperts: 2 })).toBe(count({}) + 2 * 2 * model.embed * model.mlp);
  });
});

/** @file Many damaged tokenizer files. */

import { expect, it } from "vitest";
import { openMutated } from "../mutated-tokenizers.ts";

it("opens or refuses 2,500 damaged files, and nothing else happens", () => {
  const { opened, refused } = openMutated(2500, 2);
  expect(opened).toBeGreaterThan(250);
  expect(refused).toBeGreaterThan(500);
});

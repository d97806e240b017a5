/** @file Damaged tokenizer files: each is opened or refused with an error of ours, in bounded time. */

import fc from "fast-check";
import { expect } from "vitest";
import { DataError } from "../src/core/errors.ts";
import { openTokenizerJson } from "../src/data/tokenizers/open-json.ts";
import { recorded } from "./tokenizers.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const NAMES = Object.keys(recorded.files);
const TEXT = "The weaver's knot <s> 早晨 🧵\n\n12 ";

/** What a value may be replaced by. */
const strange: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    -1,
    0,
    1,
    1e9,
    2 ** 31,
    1.5,
    "",
    "x",
    "▁",
    [],
    {},
    [[]],
    "Sequence",
  ),
  fc.constantFrom<Json>("(a+)+$", "(", "[", "\\p{Nope}", "(x|x)*y", ".".repeat(5000), "\ud800"),
  fc.integer({ min: 0, max: 2000 }),
  fc.string({ maxLength: 6 }),
);

/** All places of a value; of long lists and records only a few, so that every part gets its turn. */
function placesOf(
  value: Json,
  path: readonly (string | number)[] = [],
): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys: readonly (string | number)[] = Array.isArray(value)
    ? [...value.keys()]
    : Object.keys(value);
  const few = keys.length <= 24 ? keys : [...keys.slice(0, 6), ...keys.slice(-6)];
  return [path, ...few.flatMap((key) => placesOf((value as never)[key], [...path, key]))];
}

interface Mutation {
  readonly name: string;
  readonly place: number;
  readonly kind: "replace" | "drop" | "swap" | "cut" | "flip";
  readonly value: Json;
  readonly other: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  name: fc.constantFrom(...NAMES),
  place: fc.nat(),
  kind: fc.constantFrom("replace", "replace", "drop", "swap", "cut", "flip"),
  value: strange,
  other: fc.nat(),
});

function mutated({ name, place, kind, value, other }: Mutation): string {
  const text = recorded.files[name] ?? "";
  if (kind === "cut") return text.slice(0, place % text.length);
  if (kind === "flip") {
    const at = place % text.length;
    return text.slice(0, at) + String.fromCharCode(32 + (other % 95)) + text.slice(at + 1);
  }
  const json = JSON.parse(text) as Json;
  const places = placesOf(json).filter((path) => path.length > 0);
  const path = places[place % places.length] ?? [];
  const second = places[other % places.length] ?? [];
  const parent = path.slice(0, -1).reduce((at, key) => (at as never)[key], json) as never;
  const key = path.at(-1) as never;
  if (kind === "drop") {
    if (Array.isArray(parent)) (parent as Json[]).splice(key as number, 1);
    else delete parent[key];
  } else {
    const from = second.reduce<Json>((at, step) => (at as never)[step], json);
    (parent as Record<string, Json>)[key] = kind === "swap" ? structuredClone(from) : value;
  }
  return JSON.stringify(json);
}

/** Opens mutated files; counts what was refused. */
export function openMutated(numRuns: number, seed: number): { opened: number; refused: number } {
  const seen = { opened: 0, refused: 0 };
  fc.assert(
    fc.property(mutation, (one) => {
      const text = mutated(one);
      try {
        const tokenizer = openTokenizerJson(text, "mutated");
        const ids = tokenizer.encode(TEXT, { addSpecial: true });
        // Whatever was accepted must hold together.
        for (const id of ids) {
          expect(id).toBeGreaterThanOrEqual(0);
          expect(id).toBeLessThan(tokenizer.vocab);
        }
        expect(typeof tokenizer.decode(ids, { special: "show" })).toBe("string");
        const stream = tokenizer.stream();
        for (const id of ids) stream.push(id);
        stream.end();
        expect(tokenizer.fingerprint()).toMatch(/^[0-9a-f]{64}$/);
        seen.opened++;
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        expect(error.message).toContain("fix ");
        seen.refused++;
      }
    }),
    { numRuns, seed },
  );
  return seen;
}

import { describe, expect, expectTypeOf, test } from "vitest";
import { type Command, defineCommand, helpText, runCommand } from "./command.ts";
import { captureContext } from "./context.ts";
import { parseArguments } from "./parse.ts";
import { formatTable } from "./table.ts";

let seen: unknown;

const train: Command = defineCommand({
  name: "train",
  summary: "Train a preset and write checkpoints",
  positionals: [
    { name: "preset", help: "model, data and sizes together", required: true },
    { name: "part", help: "what to train", required: false, choices: ["all", "head"] },
  ],
  options: {
    out: { type: "string", help: "folder for checkpoints and the log", valueName: "path" },
    steps: { type: "int", default: 1000, min: 1, help: "optimizer steps in all" },
    learningRate: { type: "float", default: 3e-4, min: 0, max: 1, help: "peak learning rate" },
    saveEvery: { type: "int", default: undefined, unit: "seconds", help: "pause between saves" },
    plan: { type: "choice", choices: ["auto", "data"], default: "auto", help: "how to split" },
    resume: { type: "flag", default: false, help: "go on from the newest checkpoint in --out" },
  },
  examples: ["meshloom train glam-nano --out runs/one"],
  async run(options, context) {
    expectTypeOf(options.preset).toEqualTypeOf<string>();
    expectTypeOf(options.part).toEqualTypeOf<"all" | "head" | undefined>();
    expectTypeOf(options.out).toEqualTypeOf<string>();
    expectTypeOf(options.steps).toEqualTypeOf<number>();
    expectTypeOf(options.saveEvery).toEqualTypeOf<number | undefined>();
    expectTypeOf(options.plan).toEqualTypeOf<"auto" | "data">();
    expectTypeOf(options.resume).toEqualTypeOf<boolean>();
    seen = options;
    context.out(`json ${context.json}`);
    return options.steps === 7 ? 7 : undefined;
  },
});

async function parse(line: string): Promise<unknown> {
  await runCommand(train, line.split(" "), captureContext().context);
  return seen;
}

async function complaint(line: string): Promise<string> {
  const words = line === "" ? [] : line.split(" ");
  const error = await runCommand(train, words, captureContext().context).catch((e: unknown) => e);
  return error instanceof Error ? error.message : "no error";
}

describe("parsing", () => {
  test("fills in defaults", async () => {
    expect(await parse("glam-nano --out a")).toEqual({
      preset: "glam-nano",
      part: undefined,
      out: "a",
      steps: 1000,
      learningRate: 3e-4,
      saveEvery: undefined,
      plan: "auto",
      resume: false,
    });
  });

  test("takes every form of an option, the last one winning", async () => {
    const line = "--out=a --steps 1e3 glam --learning-rate=.5 --plan data --resume --steps=12 head";
    expect(await parse(line)).toMatchObject({
      preset: "glam",
      part: "head",
      out: "a",
      steps: 12,
      learningRate: 0.5,
      plan: "data",
      resume: true,
    });
    expect(await parse("glam --out a --resume --no-resume")).toMatchObject({ resume: false });
    expect(await parse("--out=--a -- --glam")).toMatchObject({ out: "--a", preset: "--glam" });
    expect(await parse("-1 --out a=b")).toMatchObject({ preset: "-1", out: "a=b" });
  });

  test("hands on --json and the exit code", async () => {
    const { context, outLines } = captureContext();
    expect(await runCommand(train, ["glam", "--out", "a", "--json"], context)).toBe(0);
    expect(await runCommand(train, ["glam", "--out", "a", "--steps", "7"], context)).toBe(7);
    expect(outLines).toEqual(["json true", "json false"]);
  });
});

describe("complaints", () => {
  test("unknown options", async () => {
    expect(await complaint("glam --setps 3")).toMatchInlineSnapshot(`
      "train: unknown option "--setps".
        fix    did you mean "--steps"?
        all    meshloom train --help    [USAGE-01]"
    `);
    expect(await complaint("glam --no-resum")).toMatchInlineSnapshot(`
      "train: unknown option "--no-resum".
        fix    did you mean "--no-resume"?
        all    meshloom train --help    [USAGE-01]"
    `);
    expect(await complaint("glam --frobnicate=3")).toMatchInlineSnapshot(`
      "train: unknown option "--frobnicate".
        fix    one of: --out, --steps, --learning-rate, --save-every, --plan, --resume, --json, --help
        all    meshloom train --help    [USAGE-01]"
    `);
    expect(await complaint("glam -o a")).toMatchInlineSnapshot(`
      "train: unknown option "-o".
        fix    one of: --out, --steps, --learning-rate, --save-every, --plan, --resume, --json, --help
        all    meshloom train --help    [USAGE-01]"
    `);
  });

  test("values", async () => {
    expect(await complaint("glam --steps")).toMatchInlineSnapshot(`
      "train: --steps needs a value.
        expected    an integer, at least 1    [USAGE-01]"
    `);
    expect(await complaint("glam --out --resume")).toMatchInlineSnapshot(`
      "train: --out needs a value.
        expected    text    [USAGE-01]"
    `);
    expect(await complaint("glam --save-every=")).toMatchInlineSnapshot(`
      "train: --save-every needs a value.
        expected    an integer, in seconds    [USAGE-01]"
    `);
    expect(await complaint("glam --steps 1.5")).toMatchInlineSnapshot(`
      "train: --steps must be an integer, got "1.5".
        expected    an integer, at least 1    [USAGE-01]"
    `);
    expect(await complaint("glam --steps 99999999999999999999")).toMatchInlineSnapshot(`
      "train: --steps must be an integer, got "99999999999999999999".
        expected    an integer, at least 1    [USAGE-01]"
    `);
    expect(await complaint("glam --learning-rate NaN")).toMatchInlineSnapshot(`
      "train: --learning-rate must be a number, got "NaN".
        expected    a number, from 0 to 1    [USAGE-01]"
    `);
    expect(await complaint("glam --learning-rate -1")).toMatchInlineSnapshot(
      `"train: --learning-rate must be from 0 to 1, got -1. [USAGE-01]"`,
    );
    expect(await complaint("glam --steps 0")).toMatchInlineSnapshot(
      `"train: --steps must be at least 1, got 0. [USAGE-01]"`,
    );
    expect(await complaint("glam --plan dat")).toMatchInlineSnapshot(`
      "train: --plan cannot be "dat".
        choices    auto, data
        fix        did you mean "data"?    [USAGE-01]"
    `);
    expect(await complaint("glam --plan pipeline")).toMatchInlineSnapshot(`
      "train: --plan cannot be "pipeline".
        choices    auto, data    [USAGE-01]"
    `);
    expect(await complaint("glam --resume=yes")).toMatchInlineSnapshot(`
      "train: --resume takes no value, got "yes".
        fix    --resume or --no-resume    [USAGE-01]"
    `);
  });

  test("what is missing or too much", async () => {
    expect(await complaint("")).toMatchInlineSnapshot(`
      "train: <preset> is missing.
        preset    model, data and sizes together
        usage     meshloom train <preset> [<part>] [options]    [USAGE-01]"
    `);
    expect(await complaint("glam")).toMatchInlineSnapshot(`
      "train: --out is missing.
        out         folder for checkpoints and the log
        expected    text
        usage       meshloom train <preset> [<part>] [options]    [USAGE-01]"
    `);
    expect(await complaint("glam tail --out a")).toMatchInlineSnapshot(`
      "train: <part> cannot be "tail".
        choices    all, head    [USAGE-01]"
    `);
    expect(await complaint("glam head more --out a")).toMatchInlineSnapshot(`
      "train: unexpected argument "more".
        usage    meshloom train <preset> [<part>] [options]    [USAGE-01]"
    `);
  });

  test("of the table itself", () => {
    const run = async () => undefined;
    const common = { name: "x", summary: "", positionals: [], examples: [], run } as const;
    expect(() =>
      defineCommand({ ...common, options: { json: { type: "flag", default: true, help: "" } } }),
    ).toThrowErrorMatchingInlineSnapshot(`[TypeError: command x: "json" is taken.]`);
    expect(() =>
      defineCommand({
        ...common,
        options: { plan: { type: "choice", choices: ["a"], default: "b", help: "" } },
      }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[TypeError: command x: the default of --plan is not one of its choices.]`,
    );
  });
});

describe("help", () => {
  test("in 80 columns", () => {
    expect(helpText(train)).toMatchInlineSnapshot(`
      "Usage: meshloom train <preset> [<part>] [options]

      Train a preset and write checkpoints.

      Arguments:
        <preset>                  model, data and sizes together
        <part>                    what to train: all, head (may be left out)

      Options:
        --out <path>              folder for checkpoints and the log (required)
        --steps <int>             optimizer steps in all (at least 1, default 1000)
        --learning-rate <number>  peak learning rate (from 0 to 1, default 0.0003)
        --save-every <int>        pause between saves (seconds)
        --plan <auto|data>        how to split (default auto)
        --[no-]resume             go on from the newest checkpoint in --out (default
                                  off)
        --json                    print results as JSON, one value a line
        --help                    show this text

      Example:
        meshloom train glam-nano --out runs/one"
    `);
  });

  test("is wrapped to a narrow terminal", () => {
    const text = helpText(train, 50);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(text).toMatchInlineSnapshot(`
      "Usage: meshloom train <preset> [<part>] [options]

      Train a preset and write checkpoints.

      Arguments:
        <preset>                  model, data and sizes
                                  together
        <part>                    what to train: all,
                                  head (may be left out)

      Options:
        --out <path>              folder for checkpoints
                                  and the log (required)
        --steps <int>             optimizer steps in all
                                  (at least 1, default
                                  1000)
        --learning-rate <number>  peak learning rate
                                  (from 0 to 1, default
                                  0.0003)
        --save-every <int>        pause between saves
                                  (seconds)
        --plan <auto|data>        how to split (default
                                  auto)
        --[no-]resume             go on from the newest
                                  checkpoint in --out
                                  (default off)
        --json                    print results as JSON,
                                  one value a line
        --help                    show this text

      Example:
        meshloom train glam-nano --out runs/one"
    `);
  });

  test("without arguments and examples", () => {
    const bare = { name: "ops", summary: "List", positionals: [], options: {}, examples: [] };
    expect(helpText(bare)).toMatchInlineSnapshot(`
      "Usage: meshloom ops [options]

      List.

      Options:
        --json  print results as JSON, one value a line
        --help  show this text"
    `);
  });
});

describe("a positional that takes all that is left", () => {
  const tables = {
    name: "compare",
    summary: "Compare",
    positionals: [{ name: "runs", help: "folders", required: true, many: true }],
    options: { out: { type: "string", default: "page.html", help: "page" } },
    examples: [],
  } as const;

  test("is a list, wherever options stand", () => {
    const { values } = parseArguments(tables, ["a", "--out", "x", "b", "c"]);
    expect(values).toEqual({ runs: ["a", "b", "c"], out: "x" });
    expect(helpText(tables)).toContain("Usage: meshloom compare <runs>… [options]");
  });

  test("needs one word at least", () => {
    expect(() => parseArguments(tables, [])).toThrow(/missing <runs>|<runs>/);
  });
});

test("formatTable aligns columns", () => {
  const rows = [
    ["embed", "1536"],
    ["unembed", "9", "tied"],
  ];
  expect(formatTable(["name", "size"], rows, { align: ["left", "right"] })).toMatchInlineSnapshot(`
    "name     size
    embed    1536
    unembed     9  tied"
  `);
});

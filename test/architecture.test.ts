/** @file The shape of the source tree: which layer may import which, and rules that no tool checks. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SRC = join(ROOT, "src");

/**
 * Lowest first. A layer imports itself and what stands below it. Ops that hold programs differentiate
 * and batch them, so they stand above the transforms, and with them the list of all ops.
 */
const LAYERS = [
  "core",
  "files",
  "plot",
  "ops",
  "transforms",
  "ops/control",
  "numpy",
  "spmd",
  "plan",
  "engines",
  "nn",
  "optim",
  "data",
  "generate",
  "train",
  "exchange",
  "serve",
  "watch",
  "signal",
  "models",
  "bench",
  "repro",
  "cli",
];
/** Helpers of tests, and of outside engines that check themselves. */
const TESTING = "testing";
/** The public face: everything but the command line. */
const INDEX = "index.ts";
/** Neighbours that must stay strangers. */
const STRANGERS = [["optim", "data"]] as const;
const MAX_LINES = 600;

type Kind = "static" | "dynamic";

interface Import {
  /** Path of the importing file inside src, with `/`. */
  readonly from: string;
  readonly to: string;
  readonly line: number;
  readonly kind: Kind;
}

const inside = (path: string) => relative(SRC, path).split(sep).join("/");
const layerOf = (file: string) =>
  /^ops\/(control\/|registry\.ts$)/.test(file) ? "ops/control" : (file.split("/")[0] ?? "");
const isTest = (file: string) => file.endsWith(".test.ts");

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Code with comments blanked out, so that examples in comments are no imports. Lines keep their numbers. */
function withoutComments(code: string): string {
  return code.replace(
    /\/\*[\s\S]*?\*\/|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*/g,
    (match, string: string | undefined) => string ?? match.replace(/[^\n]/g, " "),
  );
}

// `import … from "x"`, `export … from "x"`, `import "x"`; types written as `import("x").T` count as dynamic.
const STATIC =
  /^[ \t]*(?:import|export)\b[^;"'()]*?\bfrom\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

/** Relative imports of one file. */
function importsOf(file: string, code: string): Import[] {
  const clean = withoutComments(code);
  const found = (pattern: RegExp, kind: Kind) =>
    [...clean.matchAll(pattern)].flatMap((match): Import[] => {
      const target = match[1] ?? match[2] ?? "";
      if (!target.startsWith(".")) return [];
      const to = inside(resolve(SRC, dirname(file), target));
      return [{ from: file, to, line: lineAt(clean, match.index), kind }];
    });
  return [...found(STATIC, "static"), ...found(DYNAMIC, "dynamic")];
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** What an import breaks; undefined when it is allowed. */
function broken({ from, to, kind }: Import): string | undefined {
  if (to.startsWith("..")) return "leaves src";
  const [own, other] = [layerOf(from), layerOf(to)];
  if (other === INDEX) return "nothing inside imports the public index";
  if (other === TESTING) {
    return own === TESTING || isTest(from) ? undefined : "only tests import testing";
  }
  if (own === INDEX)
    return other === "cli" ? "the index does not show the command line" : undefined;
  // A folder that is no layer is refused once, by a test of its own.
  if (own !== TESTING && !LAYERS.includes(own)) return undefined;
  const rank = LAYERS.indexOf(other);
  if (own === TESTING) {
    return rank < LAYERS.indexOf("nn") ? undefined : "testing imports only what stands below nn";
  }
  if (own === other) return undefined;
  if (STRANGERS.some((pair) => pair.some((x) => x === own) && pair.some((x) => x === other)))
    return "optim and data do not know each other";
  if (other === "models" && kind === "static") return "a model is found by scanning, not by name";
  if (other === "models")
    return ["train", "exchange", "cli"].includes(own)
      ? undefined
      : "only train, exchange and cli load models";
  return rank <= LAYERS.indexOf(own) ? undefined : `${own} stands below ${other}`;
}

const sources = filesBelow(SRC).map((path) => ({
  file: inside(path),
  code: readFileSync(path, "utf8"),
}));

describe("imports", () => {
  test("every folder of src is a layer", () => {
    const known = [...LAYERS, TESTING, INDEX];
    const unknown = new Set(
      sources.map(({ file }) => layerOf(file)).filter((x) => !known.includes(x)),
    );
    expect([...unknown]).toEqual([]);
  });

  test("point down", () => {
    const imports = sources.flatMap(({ file, code }) => importsOf(file, code));
    expect(imports.length).toBeGreaterThan(100);
    const wrong = imports.flatMap((one) => {
      const rule = broken(one);
      return rule === undefined ? [] : [`src/${one.from}:${one.line} imports ${one.to}: ${rule}`];
    });
    expect(wrong).toEqual([]);
  });

  test("of every form are seen, and those in comments are not", () => {
    const code = [
      'import { a } from "./a.ts";',
      'import type { B } from "../ops/b.ts";',
      "import {",
      "  c,",
      '} from "../ops/c.ts";',
      'export * from "./d.ts";',
      'import "./e.ts";',
      'import fs from "node:fs";',
      'const lazy = await import("../models/f.ts");',
      'let t: import("./g.ts").T;',
      '// import { h } from "./h.ts";',
      '/* import "./i.ts"; */',
      'const url = "https://x"; import "./j.ts";',
    ].join("\n");
    const seen = importsOf("core/x.ts", code).map(({ to, line, kind }) => `${line} ${kind} ${to}`);
    expect(seen).toEqual([
      "1 static core/a.ts",
      "2 static ops/b.ts",
      "3 static ops/c.ts",
      "6 static core/d.ts",
      "7 static core/e.ts",
      "9 dynamic models/f.ts",
      "10 dynamic core/g.ts",
    ]);
  });

  test.each<[string, string, Kind, string | undefined]>([
    ["ops/x.ts", "core/y.ts", "static", undefined],
    ["core/x.ts", "ops/y.ts", "static", "core stands below ops"],
    ["core/x.ts", "ops/y.ts", "dynamic", "core stands below ops"],
    ["data/x.ts", "optim/y.ts", "static", "optim and data do not know each other"],
    ["optim/x.ts", "data/y.ts", "static", "optim and data do not know each other"],
    ["train/x.ts", "data/y.ts", "static", undefined],
    ["repro/x.ts", "models/y.ts", "static", "a model is found by scanning, not by name"],
    ["train/x.ts", "models/y.ts", "dynamic", undefined],
    ["exchange/x.ts", "models/y.ts", "dynamic", undefined],
    ["train/x.ts", "exchange/y.ts", "static", "train stands below exchange"],
    ["nn/x.ts", "models/y.ts", "dynamic", "only train, exchange and cli load models"],
    ["models/a/x.ts", "models/a/y.ts", "static", undefined],
    ["testing/x.ts", "engines/y.ts", "static", undefined],
    ["testing/x.ts", "nn/y.ts", "static", "testing imports only what stands below nn"],
    ["cli/x.ts", "testing/y.ts", "static", "only tests import testing"],
    ["cli/x.test.ts", "testing/y.ts", "static", undefined],
    ["index.ts", "nn/y.ts", "static", undefined],
    ["index.ts", "cli/y.ts", "static", "the index does not show the command line"],
    ["ops/control/x.ts", "transforms/y.ts", "static", undefined],
    ["ops/registry.ts", "ops/control/y.ts", "static", undefined],
    ["ops/x.ts", "ops/control/y.ts", "static", "ops stands below ops/control"],
    ["transforms/x.ts", "ops/control/y.ts", "static", "transforms stands below ops/control"],
    ["transforms/x.ts", "ops/y.ts", "static", undefined],
    ["core/x.ts", "../test/y.ts", "static", "leaves src"],
  ])("%s → %s, %s: %s", (from, to, kind, expected) => {
    expect(broken({ from, to, kind, line: 1 })).toBe(expected);
  });
});

/** What bundlers for browsers start from. */
const BROWSER_ENTRIES = [
  "index.ts",
  "nn/index.ts",
  "optim/index.ts",
  "engines/onnx/index.ts",
  "signal/index.ts",
];
/** Packages that run in a browser. */
const PORTABLE = [
  "@bufbuild/protobuf/wire",
  "fft.js",
  "ml-matrix",
  "onnxruntime-web/wasm",
  "onnxruntime-web/webgpu",
];

// Imports of packages and of Node's modules; what only types are taken from is gone once compiled.
const PACKAGE =
  /^[ \t]*(?:import|export)\b(?!\s+type\b)[^;"'()]*?\bfrom\s*["']([^."'][^"']*)["']|^[ \t]*import\s*["']([^."'][^"']*)["']|(?<!typeof )\bimport\(\s*["']([^."'][^"']*)["']/gm;

function packagesOf(code: string): string[] {
  return [...withoutComments(code).matchAll(PACKAGE)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );
}

describe("a browser", () => {
  const code = new Map(sources.map((source) => [source.file, source.code]));
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { to } of importsOf(file, code.get(file) ?? "")) visit(to);
  };
  BROWSER_ENTRIES.forEach(visit);

  test("meets no import of Node's modules or of native packages, also where it never runs", () => {
    expect(reached.size).toBeGreaterThan(60);
    const wrong = [...reached].flatMap((file) =>
      packagesOf(code.get(file) ?? "")
        .filter((name) => !PORTABLE.includes(name))
        .map((name) => `src/${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("keeps what is imported for its effect alone: package.json lists it for bundlers", () => {
    const effects = sources.flatMap(({ file, code: text }) =>
      [...withoutComments(text).matchAll(/^[ \t]*import\s*["'](\.[^"']+)["']/gm)].map((match) =>
        inside(resolve(SRC, dirname(file), match[1] ?? "")),
      ),
    );
    const listed = effects.flatMap((file) => [
      `./dist/${file.replace(/\.ts$/, ".js")}`,
      `./src/${file}`,
    ]);
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(manifest.sideEffects).toEqual(listed);
  });

  test("would be shown such an import, of every form", () => {
    const lines = [
      'import { readFile } from "node:fs";',
      'import type { Tensor } from "onnxruntime-node";',
      'import "zod";',
      'export * from "./own.ts";',
      'type Runtime = typeof import("koffi");',
      'const lazy = await import("koffi");',
    ];
    expect(packagesOf(lines.join("\n"))).toEqual(["node:fs", "zod", "koffi"]);
  });
});

describe("families of ops", () => {
  // Records are made by calling a family while their file loads, so the family must have loaded before.
  test("load without any of their members", () => {
    const family = "ops/families.ts";
    const loads = new Map(
      sources.map(({ file, code }) => {
        const values = withoutComments(code).replace(/^[ \t]*(import|export) type\b[^;]*;/gm, "");
        return [file, importsOf(file, values).filter(({ kind }) => kind === "static")] as const;
      }),
    );
    const reached = new Set<string>();
    const visit = (file: string): void => {
      for (const { to } of loads.get(file) ?? []) {
        if (reached.has(to)) continue;
        reached.add(to);
        visit(to);
      }
    };
    visit(family);
    expect(reached.size).toBeGreaterThan(5);
    expect([...reached].filter((file) => loads.get(file)?.some(({ to }) => to === family))).toEqual(
      [],
    );
  });
});

describe("files", () => {
  test(`have at most ${MAX_LINES} lines`, () => {
    const long = sources
      .map(({ file, code }) => ({ file, lines: code.trimEnd().split("\n").length }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  test("are named after what they hold, not utils", () => {
    expect(sources.map(({ file }) => file).filter((file) => /(^|\/)utils?\b/i.test(file))).toEqual(
      [],
    );
  });

  test("have no default export", () => {
    const pattern = /^[ \t]*export\s+default\b|\bas\s+default\b/m;
    const wrong = sources.filter(({ code }) => pattern.test(withoutComments(code)));
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  test("say in their head what they are", () => {
    const silent = sources.filter(
      ({ file, code }) => !isTest(file) && !/^\/\*\*\s[\s\S]*?@file\s/.test(code),
    );
    expect(silent.map(({ file }) => file)).toEqual([]);
  });
});

describe("error codes", () => {
  const union = /type ErrorCode =([^;]*);/.exec(readFileSync(join(SRC, "core/errors.ts"), "utf8"));
  const codes = [...(union?.[1] ?? "").matchAll(/"([A-Z]+-\d+)"/g)].map((match) => match[1] ?? "");
  const manual = readFileSync(join(ROOT, "docs/errors.md"), "utf8");
  const sections = [...manual.matchAll(/^## (.*)$/gm)].map((match) => match[1] ?? "");

  test("have a section each in docs/errors.md, in their order, and no section lacks a code", () => {
    expect(codes.length).toBeGreaterThan(10);
    expect(sections).toEqual(codes);
  });

  test("stand in the example of their own section", () => {
    const without = codes.filter((code) => {
      const section = manual.split(`\n## ${code}\n`)[1]?.split("\n## ")[0] ?? "";
      return !/```[\s\S]*```/.test(section) || !section.includes(`[${code}]`);
    });
    expect(without).toEqual([]);
  });

  test("are all in use", () => {
    const used = (code: string) =>
      sources.some(
        ({ file, code: text }) =>
          file !== "core/errors.ts" && !isTest(file) && text.includes(`"${code}"`),
      );
    expect(codes.filter((code) => !used(code))).toEqual([]);
  });
});

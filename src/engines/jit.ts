/** @file `jit`: a function of tensors becomes an executable, traced once per form of its arguments. */

import { isTracing } from "../core/builder.ts";
import { ShardingError, suggestion, TraceError } from "../core/errors.ts";
import type { Program } from "../core/program.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, structureOf, withLeaves } from "../core/tree.ts";
import { type DimSpec, shard } from "../numpy/shard.ts";
import { simplify } from "../transforms/simplify.ts";
import { abstract, refill, trace } from "../transforms/trace.ts";
import { announce } from "./announce.ts";
import { defaultEngine } from "./default.ts";
import type { Engine, Executable } from "./engine.ts";

export interface JitOptions {
  /** Appears in errors and dumps; the function's own name when absent. */
  readonly name?: string;
  /** The default engine when absent. */
  readonly engine?: Engine;
  /**
   * Arguments, by position, whose memory the call takes over. Their tensors cannot be used again;
   * training loops donate their state and go on with the returned one.
   */
  readonly donate?: readonly number[];
  /** Threads of one computation; 0, the default, lets the engine choose. */
  readonly threads?: number;
  /**
   * How arguments lie on a mesh, by position: mesh axes by axis word, for all tensors of the argument that have the
   * word; or one entry per dimension. Means nothing to an engine of one device.
   */
  readonly in?: readonly (LayoutSpec | undefined)[];
  /** How results lie, likewise; one for all. */
  readonly out?: LayoutSpec;
}

/** As `shard` takes it. */
export type LayoutSpec = readonly DimSpec[] | Readonly<Record<string, DimSpec>>;

/** A compiled function: takes and returns trees of tensors that hold data. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): Promise<R>;
  /** The simplified program for arguments of these forms; tensors it closes over are its last inputs. */
  lower(...args: A): Program;
  /** Traces and compiles for arguments of these forms, without running. */
  compile(...args: A): Promise<void>;
}

interface Compiled<R> {
  readonly executable: Executable;
  readonly result: R;
}

/**
 * Compiles `f` for the engine at its first call with arguments of a given form.
 *
 * @param f - a function of trees of tensors; it runs once per form, on stand-ins
 * @throws TraceError when called inside a traced function, or after an argument was donated; ShardingError at the first
 * call for a layout that does not fit
 */
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: JitOptions = {},
): Jitted<A, R> {
  const name = options.name ?? (f.name === "" ? "program" : f.name);
  const cache = new Map<string, Promise<Compiled<R>>>();

  const traced = (args: A) => {
    const forms = withLeaves(
      args,
      leaves(args, name).map((leaf) => abstract(leaf.aval)),
    );
    const laidOut = (...own: A): R => {
      const given = own.map((arg, i) => marked(arg, options.in?.[i], `argument ${i + 1}`));
      return marked(f(...(given as unknown as A)), options.out, "the result");
    };
    return trace(name, options.in === undefined && options.out === undefined ? f : laidOut, forms);
  };

  const formsOf = (args: A) =>
    leaves(args, name)
      .map((leaf) => showAval(leaf.aval))
      .join(", ");

  const compile = (args: A): Promise<Compiled<R>> => {
    const key = `${structureOf(args)} ${formsOf(args)}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const compiled = build(args);
    cache.set(key, compiled);
    compiled.catch(() => cache.delete(key));
    return compiled;
  };

  const build = async (args: A): Promise<Compiled<R>> => {
    const started = performance.now();
    const why = cache.size === 0 ? "first call" : `new forms: ${formsOf(args)}`;
    const { program, captured, result } = traced(args);
    const engine = options.engine ?? (await defaultEngine());
    const donated = args.flatMap((arg, i) =>
      leaves(arg).map(() => options.donate?.includes(i) ?? false),
    );
    const executable = await engine.compile(program, {
      donated,
      threads: options.threads ?? 0,
      constants: captured,
    });
    const seconds = (performance.now() - started) / 1000;
    announce({ name, engine: engine.name, why, seconds, ...executable.compilation });
    return { executable, result };
  };

  const call = async (...args: A): Promise<R> => {
    if (isTracing()) {
      throw new TraceError(
        "TRACE-01",
        `${name}: a compiled function was called inside a traced one.`,
        [["fix", "call the plain function there; jit belongs around the outermost one"]],
      );
    }
    const compiled = await compile(args);
    const outputs = await compiled.executable.run(leaves(args, name));
    return refill(compiled.result, outputs);
  };
  return Object.assign(call, {
    lower: (...args: A) => simplify(traced(args).program),
    compile: async (...args: A) => {
      await compile(args);
    },
  });
}

/**
 * A tree with marks on its tensors; a word that one of them lacks says nothing of it.
 *
 * @throws ShardingError for a word that none of them has
 */
function marked<T>(tree: T, spec: LayoutSpec | undefined, what: string): T {
  if (spec === undefined) return tree;
  const tensors = leaves(tree);
  if (isList(spec)) return refill(tree, tensors.map((x) => shard(x, spec))); // biome-ignore format: one line
  const words = [...new Set(tensors.flatMap(({ names }) => names))].filter((word) => word !== null);
  const unknown = Object.keys(spec).find((word) => !words.includes(word));
  if (unknown !== undefined)
    throw new ShardingError("SHARD-01", `jit: no tensor of ${what} has an axis "${unknown}".`, [
      ["axes", words.join(", ")],
      ["fix", words.length > 0 ? suggestion(unknown, words) : "give one entry per dimension"],
    ]);
  const own = (x: Tensor) =>
    Object.fromEntries(Object.entries(spec).filter(([word]) => x.names.includes(word)));
  return refill(
    tree,
    tensors.map((x) => shard(x, own(x))),
  );
}

function isList(spec: LayoutSpec): spec is readonly DimSpec[] {
  return Array.isArray(spec);
}

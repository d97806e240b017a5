/** @file What was compiled, how long it took and why: told to whoever listens. */

import type { Compilation } from "./engine.ts";

/** One compilation of one jitted function. */
export interface CompileNote extends Compilation {
  readonly name: string;
  readonly engine: string;
  /** `first call`, or the forms that were new. */
  readonly why: string;
  /** From the start of tracing to an executable. */
  readonly seconds: number;
}

type Listener = (note: CompileNote) => void;

const listeners = new Set<Listener>();

/** Calls `listener` after every compilation. @returns a function that ends it */
export function onCompile(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function announce(note: CompileNote): void {
  for (const listener of listeners) listener(note);
}

/** `compiled step for onnx: 3068 equations in 0.52 s (first call)`. */
export function showCompileNote({
  name,
  engine,
  why,
  seconds,
  equations,
  from,
}: CompileNote): string {
  const what = from === "cache" ? "found" : "compiled";
  const where = from === "cache" ? " in the cache" : "";
  const reason = why.length > 120 ? `${why.slice(0, 119)}…` : why;
  return `${what} ${name} for ${engine}${where}: ${equations} equations in ${seconds.toFixed(2)} s (${reason})`;
}

/** @file What an engine is: it compiles a program, and the executable turns tensors into tensors. */

import type { Program } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";

export interface CompileOptions {
  /**
   * Per input of the program, whether its memory may be taken over. A donated tensor cannot be used
   * again: its memory carries results of a later call, which makes a training loop free of allocation.
   */
  readonly donated: readonly boolean[];
  /** Threads of one computation; 0 lets the engine choose. */
  readonly threads: number;
  /** Values of the program's last inputs, which are the same at every call: what a function closed over. */
  readonly constants: readonly Tensor[];
}

/** How an executable came to be. */
export interface Compilation {
  /** Equations of the traced program. */
  readonly equations: number;
  /** Whether it was lowered now, or found in a cache of earlier processes. */
  readonly from: "compiler" | "cache";
}

export interface Executable {
  readonly compilation: Compilation;
  /**
   * Runs the program on its inputs, without the constants. Calls on one executable take their turns.
   *
   * @throws EngineError when the engine fails, TraceError when an input was donated before
   */
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
  /** Frees the engine's own memory; results stay valid. Also done when the executable is collected. */
  release(): void;
}

export interface Engine {
  readonly name: string;
  /** @param program - as traced; the engine simplifies it */
  compile(program: Program, options: CompileOptions): Promise<Executable>;
}

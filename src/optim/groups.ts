/** @file Parameter groups: other optimisers, other rates, or none at all for some parameters. */

import type { Optimizer } from "./optimizer.ts";
import type { ParameterFilter } from "./parameters.ts";

/** Parameters that are updated in a way of their own. */
export interface ParameterGroup {
  readonly of: ParameterFilter;
  readonly optimizer: Optimizer;
  /** Factor of the learning rate; 1 when absent. */
  readonly rate?: number;
}

/**
 * Each parameter is updated by the first group that holds it, all others by `rest`:
 * `grouped([{ of: byPath(["embedding"]), optimizer: adamw(), rate: 0.1 }], muon())`.
 */
export function grouped(groups: readonly ParameterGroup[], rest: Optimizer): Optimizer {
  const all: readonly ParameterGroup[] = [...groups, { of: () => true, optimizer: rest }];
  const groupOf = (...parameter: Parameters<ParameterFilter>): ParameterGroup =>
    all.find(({ of }) => of(...parameter)) ?? { of: () => true, optimizer: rest };
  return {
    name: [...new Set(all.map(({ optimizer }) => optimizer.name))].join(" + "),
    init: (param, path) => groupOf(path, param).optimizer.init(param, path),
    update(param, gradient, state, at) {
      const { optimizer, rate = 1 } = groupOf(at.path, param);
      const own = rate === 1 ? at : { ...at, rate: at.rate.mul(rate) };
      return optimizer.update(param, gradient, state, own);
    },
  };
}

/** Leaves parameters as they are, and keeps no state. */
export const frozen: Optimizer<readonly never[]> = {
  name: "frozen",
  init: () => [],
  update: (param, _gradient, state) => ({ param, state }),
};

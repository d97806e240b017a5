/** @file Options that every command on a trained model has. */

interface Checkpoint {
  readonly type: "string";
  readonly default: string;
  readonly valueName: string;
  readonly help: string;
}

/** Read by `parseStep`. */
export const STEP_OPTION: Checkpoint = {
  type: "string",
  default: "latest",
  valueName: "best|latest|n",
  help: "which checkpoint of a run: a step, latest, or best (the lowest loss on held-out text)",
};

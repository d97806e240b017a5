/** @file The host: Node's built-in modules where there is Node, nothing in a browser. */

/**
 * Hands out a built-in module of Node; undefined in a browser.
 *
 * Asked for at run time instead of imported, so that one module graph serves both: a browser, and a bundler for
 * browsers, would stop at an `import` of `node:fs` even where it is never used.
 */
export const builtin: typeof process.getBuiltinModule | undefined =
  globalThis.process?.getBuiltinModule;

/**
 * @file Packages with native code, which only Node can load.
 *
 * Required at run time instead of imported: a bundler for browsers follows every import, also those that are never
 * reached, and has no use for a shared library.
 */

import { builtin } from "../../core/host.ts";

/** The name of a package that is asked for, and may be missing. */
export type NativePackage = "koffi" | "onnxruntime-node";

const require = builtin?.("node:module").createRequire(import.meta.url);

/** @throws Error when the package is not installed, or does not load */
export function requirePackage<T>(name: NativePackage): T {
  if (require === undefined) throw new Error(`${name} needs Node`);
  return require(name) as T;
}

/** Path of the package's entry. @throws Error when it is not installed */
export function pathOf(name: NativePackage): string {
  if (require === undefined) throw new Error(`${name} needs Node`);
  return require.resolve(name);
}

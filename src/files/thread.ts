/** @file Starting a thread from a module of ours, in a checkout as in the package. */

import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/**
 * Starts a module on a thread of its own.
 *
 * @param name file beside `from`, without its ending
 * @param from `import.meta.url` of the caller
 */
export function startThread(name: string, from: string): Worker {
  const ending = extname(fileURLToPath(from));
  const file = new URL(`./${name}${ending}`, from);
  if (ending !== ".ts") return new Worker(file, { execArgv: [] });
  // In a checkout a thread must be told how to read TypeScript; it does not learn it from its parent.
  const tsx = import.meta.resolve("tsx/esm/api");
  const code = `import("${tsx}").then((tsx) => { tsx.register(); return import("${file.href}"); })`;
  return new Worker(code, { eval: true, execArgv: [] });
}

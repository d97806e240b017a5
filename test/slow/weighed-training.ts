/**
 * @file Runs `meshloom train` with the words given and prints, every 100 steps and after garbage
 * collection, `[step, resident set in bytes]`. Needs `node --expose-gc`.
 */

import { runCommand } from "../../src/cli/command.ts";
import { captureContext } from "../../src/cli/context.ts";
import { command } from "../../src/cli/train.ts";
import { stepOf } from "../command-line.ts";

function weigh(line: string): void {
  const step = stepOf(line);
  if (step === undefined || step % 100 !== 0) return;
  globalThis.gc?.();
  process.stdout.write(`${JSON.stringify([step, process.memoryUsage().rss])}\n`);
}

const { context } = captureContext({ json: true, out: weigh });
process.exitCode = await runCommand(command, process.argv.slice(2), context);

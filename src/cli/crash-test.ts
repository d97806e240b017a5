/** @file `crash-test`: kills a training run at random moments and shows that nothing is lost by it. */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatSeconds } from "../core/text.ts";
import { type CrashTestResult, crashTest, passed } from "../repro/crash-test.ts";
import { type Command, defineCommand } from "./command.ts";
import { createProgress } from "./progress.ts";

const SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT"] as const;

export const command: Command = defineCommand({
  name: "crash-test",
  summary: "Kill a training run at random moments and check that it ends as if undisturbed",
  positionals: [],
  options: {
    kills: { type: "int", default: 100, min: 1, help: "kills in all" },
    seed: { type: "int", default: 0, min: 0, help: "fixes signals, moments and the training" },
    preset: { type: "string", default: "glam-pico", help: "what is trained" },
    steps: { type: "int", default: 60, min: 2, help: "updates of one run; runs follow on another" },
  },
  examples: ["meshloom crash-test --kills 100"],

  async run(options, context) {
    const folder = await mkdtemp(join(tmpdir(), "meshloom-crash-test-"));
    const progress = createProgress({
      total: options.kills,
      unit: "kills",
      interactive: context.interactive,
      write: context.json ? () => undefined : context.write,
      now: () => performance.now(),
    });
    const started = performance.now();
    const result = await crashTest({
      ...options,
      folder,
      signal: context.signal,
      onKill: ({ signal, at }, count) => progress.update(count, { last: `${signal} at ${at}` }),
      onNotice: (line) => (context.json ? undefined : progress.note(line)),
    });
    const good = passed(result);
    progress.finish(`done in ${formatSeconds((performance.now() - started) / 1000)}`);
    if (context.json) context.out(JSON.stringify({ passed: good, ...result }));
    else for (const line of show(result)) context.out(line);
    if (!good) context.log(`the runs are left in ${folder}`);
    return good ? undefined : 1;
  },
});

function show(result: CrashTestResult): readonly string[] {
  const { kills, runs, loss, losses, otherWeights, otherRows, torn, lost, sha256 } = result;
  const used = SIGNALS.map((signal) => [signal, kills.filter((k) => k.signal === signal)] as const);
  const rows = used.map(([signal, these]) => {
    const at = (place: string) => these.filter((kill) => kill.at === place).length;
    const written = these.filter((kill) => kill.duringWrite).length;
    return `${signal.padEnd(8)} ${these.length}: ${at("start-up")} aimed at start-up, ${at("a step")} at a step, ${at("a write")} at a checkpoint write; ${written} left one unfinished`;
  });
  const others = losses.filter((each) => each !== loss);
  const same =
    others.length === 0 ? "= undisturbed, bit for bit" : `but ${others.join(", ")} killed`;
  const signals = used.map(([signal, these]) => `${these.length} × ${signal}`).join(", ");
  const written = kills.filter((kill) => kill.duringWrite).length;
  return [
    ...rows,
    `kills: ${kills.length} (${signals}; ${written} during a checkpoint write) in ${runs} runs; ` +
      `final loss ${loss} ${same}; weights ${sha256.slice(0, 12)} differ in ${otherWeights} runs, ` +
      `rows of metrics in ${otherRows}; torn checkpoints ${torn}, lost ${lost}`,
  ];
}

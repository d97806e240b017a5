/** @file `repro length-of-day`: the decade oscillations of the Earth's rotation, tested from simulation to record. */

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { dataFolder } from "../../data/corpora/named.ts";
import { writeAtomically } from "../../files/atomic.ts";
import { lengthOfDayPage } from "../../repro/length-of-day/page.ts";
import {
  type LengthOfDayResult,
  reproduceLengthOfDay,
  summaryOf,
} from "../../repro/length-of-day/reproduce.ts";
import { openRecord } from "../../signal/records/open.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress, type Progress } from "../progress.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "repro length-of-day",
  summary: "Restore 6 and 8.5 years from length of day and polar motion, with errors and verdicts",
  positionals: [
    {
      name: "record",
      help: "a file with LOD, x and y; the C04 of the shared data when absent",
      required: false,
    },
  ],
  options: {
    out: {
      type: "string",
      default: "runs/repro-length-of-day",
      help: "folder for report.html and result.json",
    },
    draws: {
      type: "int",
      default: 200,
      min: 8,
      help: "of noise in each test; a quarter of it for the free oscillations",
    },
    seed: { type: "int", default: 1, min: 0, help: "of the draws" },
    sigma: { type: "float", default: 10, min: 4, unit: "rad", help: "width of the window" },
    excitation: {
      type: "list",
      default: [],
      valueName: "path",
      help: "angular momentum of atmosphere, ocean or land to take off; may be given several times",
    },
    gravity: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a gravimeter's record after an earthquake, to read 0S0 and 1S0 from",
    },
  },
  examples: ["meshloom repro length-of-day --json", "meshloom repro length-of-day --draws 50"],

  async run({ record, out, excitation, gravity, ...options }, context) {
    const { log } = context;
    const path = record ?? join(dataFolder(), "iers", "c04-daily.csv.gz");
    const there = record !== undefined || existsSync(path);
    if (!there)
      log(`no record at ${path}: simulations only; give one, or run: meshloom data fetch iers`);
    let [last, progress] = ["", undefined as Progress | undefined];
    const result = reproduceLengthOfDay({
      ...options,
      record: there ? await openRecord(path) : undefined,
      excitation: await Promise.all(excitation.map((file) => openRecord(file))),
      gravity: gravity === undefined ? undefined : await openRecord(gravity),
      onProgress(what, done, total) {
        if (what !== last) {
          log(what);
          progress = createProgress({
            ...{ total, unit: "draws", interactive: context.interactive },
            ...{ write: context.write, now: () => performance.now() },
          });
        }
        last = done === total ? "" : what;
        progress?.update(done);
      },
    });
    await mkdir(out, { recursive: true });
    const summary = summaryOf(result);
    await writeAtomically(join(out, "report.html"), lengthOfDayPage(result));
    await writeAtomically(join(out, "result.json"), `${JSON.stringify(summary, null, 2)}\n`);
    if (context.json) context.out(JSON.stringify(summary));
    else show(result, context.out);
    log(`plots: ${join(out, "report.html")}`);
  },
});

function show(
  { verdicts, endErrors, records }: LengthOfDayResult,
  out: (line: string) => void,
): void {
  const methods = Object.keys(endErrors.SYO) as (keyof typeof endErrors.SYO)[];
  const errors = methods.map((method) => [
    method,
    endErrors.SYO[method].toFixed(1),
    endErrors.EYO[method].toFixed(1),
  ]);
  out("rms error in the first and last ten years, two harmonics in white noise, µs");
  out(formatTable(["method", "SYO", "EYO"], errors, { align: ["left", "right", "right"] }));
  for (const { years, lines } of records) {
    const rows = lines.map((line) => [
      line.name,
      ...[line.periodYears, line.amplitudeMs, line.dampingPerYear].map(
        ({ value, sd }) => `${value.toFixed(3)} ± ${sd.toFixed(3)}`,
      ),
      line.p.toFixed(3),
    ]);
    out(`\nthe record to ${years[1].toFixed(1)}`);
    out(
      formatTable(["", "period, years", "amplitude, ms", "damping, 1/year", "p"], rows, {
        align: ["left", "right", "right", "right", "right"],
      }),
    );
  }
  out("");
  for (const { claim, answer, because } of verdicts) out(`${answer}: ${claim}\n    ${because}`);
}

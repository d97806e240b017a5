/** @file `data fetch`: gets records of the Earth's rotation from their publishers. */

import { ConfigError, suggestion } from "../../core/errors.ts";
import { formatBytes } from "../../core/text.ts";
import { type Fetched, fetchRecord } from "../../signal/records/fetch.ts";
import { fetchFolder } from "../../signal/records/shelf.ts";
import { RECORD_SOURCES, type RecordSource } from "../../signal/records/sources.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress } from "../progress.ts";
import { formatTable } from "../table.ts";

const NAMES = RECORD_SOURCES.map(({ name }) => name);
const USUAL = "c04,finals2000a";

export const command: Command = defineCommand({
  name: "data fetch",
  summary: "Get records of the Earth's rotation from their publishers, with checksums",
  positionals: [{ name: "what", help: "whose records", required: true, choices: ["iers"] }],
  options: {
    only: {
      type: "string",
      default: USUAL,
      valueName: "names",
      help: `with commas between: ${NAMES.join(", ")}; or all`,
    },
    folder: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "where to keep them; iers in MESHLOOM_DATA, or in the user's cache, when absent",
    },
    from: { type: "int", default: undefined, min: 1900, help: "first year of yearly files" },
    until: { type: "int", default: undefined, min: 1900, help: "last year of yearly files" },
    address: {
      type: "string",
      default: undefined,
      valueName: "url",
      help: "take one record from here instead of its publisher; {year} in yearly files",
    },
    sha256: {
      type: "string",
      default: undefined,
      valueName: "hex",
      help: "accept nothing with another checksum, for one record",
    },
    force: { type: "flag", default: false, help: "fetch again what has not changed" },
  },
  examples: ["meshloom data fetch iers", "meshloom data fetch iers --only aam,oam --from 1976"],

  async run(options, context) {
    const sources = chosen(options.only, options.address);
    if (sources.length > 1 && (options.sha256 ?? options.address) !== undefined)
      throw new ConfigError("CONFIG-01", "data fetch: --sha256 and --address are of one record.", [
        ["asked for", sources.map(({ name }) => name).join(", ")],
        ["fix", "name one with --only"],
      ]);
    const folder = options.folder ?? fetchFolder(context.env);
    const { signal } = context;
    const fetched: Fetched[] = [];
    for (const source of sources) {
      context.log(`${source.name}: ${source.what}`);
      const progress = yearsBar(context);
      const one = await fetchRecord(source, {
        ...{ folder, signal, force: options.force, onNotice: context.log, onYear: progress.update },
        ...(options.sha256 !== undefined && { sha256: options.sha256 }),
        ...((options.from !== undefined || options.until !== undefined) && {
          years: [
            options.from ?? source.firstYear ?? 1900,
            options.until ?? new Date().getUTCFullYear(),
          ] as const,
        }),
      });
      progress.end();
      fetched.push(one);
      if (context.json) context.out(JSON.stringify({ name: source.name, ...one }));
    }
    if (context.json) return;
    for (const line of show(fetched)) context.out(line);
    context.log("name the source when you publish:");
    for (const cite of new Set(fetched.map((one) => one.cite))) context.log(`  ${cite}`);
  },
});

function chosen(only: string, address: string | undefined): RecordSource[] {
  const names = only === "all" ? NAMES : only.split(",").map((name) => name.trim().toLowerCase());
  return names.map((name) => {
    const source = RECORD_SOURCES.find((each) => each.name === name);
    if (source !== undefined)
      return address === undefined ? source : { ...source, addresses: [address] };
    throw new ConfigError("CONFIG-01", `data fetch: no record "${name}".`, [
      ["fix", suggestion(name, NAMES)],
    ]);
  });
}

/** A bar once the first yearly file is there. */
function yearsBar({
  interactive,
  write,
}: {
  readonly interactive: boolean;
  readonly write: (text: string) => void;
}): { update(done: number, total: number): void; end(): void } {
  let bar: ReturnType<typeof createProgress> | undefined;
  return {
    update(done, total) {
      bar ??= createProgress({
        ...{ total, unit: "years", interactive, write },
        now: () => performance.now(),
      });
      bar.update(done);
    },
    end: () => bar?.finish("all years are here"),
  };
}

function show(fetched: readonly Fetched[]): string[] {
  const rows = fetched.map((one) => [
    one.path,
    one.state,
    formatBytes(one.bytes),
    `${one.rows} rows`,
    `${one.from} to ${one.until}`,
    one.sha256.slice(0, 16),
  ]);
  return [
    formatTable(["file", "", "size", "rows", "days", "sha256"], rows, {
      align: ["left", "left", "right", "right", "left", "left"],
    }),
  ];
}

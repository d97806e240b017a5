/** @file Options that all commands on a record of measurements have: which file and column, and what to take away. */

import { TIME_UNITS, type TimeUnit } from "../../signal/series.ts";
import type { OptionValues } from "../options.ts";

interface Text {
  readonly type: "string";
  readonly default: undefined;
  readonly valueName?: string;
  readonly help: string;
}

interface Amount {
  readonly type: "float";
  readonly default: undefined;
  readonly above?: number;
  readonly help: string;
}

interface Switch {
  readonly type: "flag";
  /** Undefined when left out, so that `--prepare` can decide. */
  readonly default: undefined;
  readonly help: string;
}

interface Choice<Word extends string, Usual extends string | undefined> {
  readonly type: "choice";
  readonly choices: readonly Word[];
  readonly default: Usual;
  readonly help: string;
}

interface RecordPositional {
  readonly name: "file";
  readonly help: string;
  readonly required: true;
}

export const RECORD_POSITIONALS: readonly [RecordPositional] = [
  {
    name: "file",
    help: "a record: IERS C04, finals2000A, angular momentum, GGP, or a table with a header; .gz too",
    required: true,
  },
];

/** The usual ways to prepare records of the Earth's rotation. */
type Preparation = "length-of-day" | "polar-motion";
type Form = "mjd" | "jd" | "date" | "years" | "days" | "seconds";
type Format = "c04" | "finals2000A" | "angular-momentum" | "gravimeter" | "table";

type RecordTable = Readonly<
  Record<"column" | "time" | "unit" | "detrend" | "harmonics" | "carriers", Text>
> &
  Readonly<Record<"from" | "until" | "bin", Amount>> &
  Readonly<Record<"zonalTides" | "monthly", Switch>> & {
    readonly prepare: Choice<Preparation, undefined>;
    readonly timeForm: Choice<Form, undefined>;
    readonly timeUnit: Choice<TimeUnit, "years">;
    readonly format: Choice<Format, undefined>;
    readonly gaps: Choice<"refuse" | "normalise", "refuse">;
    readonly excitation: {
      readonly type: "list";
      readonly default: readonly string[];
      readonly valueName: string;
      readonly help: string;
    };
    readonly seed: {
      readonly type: "int";
      readonly default: number;
      readonly min: number;
      readonly help: string;
    };
  };

export const RECORD_OPTIONS: RecordTable = {
  column: {
    type: "string",
    default: undefined,
    help: 'which column, by its name; "pole" is x − iy, complex. The only one when left out',
  },
  prepare: {
    type: "choice",
    choices: ["length-of-day", "polar-motion"],
    default: undefined,
    help: "all the usual steps at once: column, zonal tides, monthly means, trend and seasons",
  },
  time: {
    type: "string",
    default: undefined,
    valueName: "column",
    help: "table: the column of epochs; found by its name when left out (mjd, date, year, seconds …)",
  },
  timeForm: {
    type: "choice",
    choices: ["mjd", "jd", "date", "years", "days", "seconds"],
    default: undefined,
    help: "table: what the epochs are; told by name and values when left out",
  },
  timeUnit: {
    type: "choice",
    choices: TIME_UNITS,
    default: "years",
    help: "of all periods and windows here, and of the results",
  },
  unit: {
    type: "string",
    default: undefined,
    help: "table: what the column is measured in, where its name does not say (lod_ms says)",
  },
  format: {
    type: "choice",
    choices: ["c04", "finals2000A", "angular-momentum", "gravimeter", "table"],
    default: undefined,
    help: "of the file; told by its lines when left out",
  },
  from: { type: "float", default: undefined, help: "first time that counts, in time units" },
  until: { type: "float", default: undefined, help: "first time that no longer counts" },
  zonalTides: {
    type: "flag",
    default: undefined,
    help: "take the zonal tides (IERS Conventions 2010) away from the length of day",
  },
  excitation: {
    type: "list",
    default: [],
    valueName: "file",
    help: "angular momentum of atmosphere, ocean or land to take away; may be given several times",
  },
  monthly: {
    type: "flag",
    default: undefined,
    help: "take means over twelfths of Julian years, of 25 days or more",
  },
  bin: {
    type: "float",
    default: undefined,
    above: 0,
    help: "take means over bins of this width, in time units; each needs 82 % of its samples",
  },
  gaps: {
    type: "choice",
    choices: ["refuse", "normalise"],
    default: "refuse",
    help: "what to do where samples are missing: say where, or leave them out as not observed",
  },
  detrend: {
    type: "string",
    default: undefined,
    valueName: "degree|none",
    help: "degree of the polynomial to take away; 1 when left out",
  },
  harmonics: {
    type: "string",
    default: undefined,
    valueName: "periods|none",
    help: "steady sines to take away with it, for example 1,0.5 for the seasons",
  },
  carriers: {
    type: "string",
    default: undefined,
    valueName: "period:knots,…|none",
    help: "sines whose amplitude wanders, as splines with knots so far apart: 1.1855:5,1:10",
  },
  seed: { type: "int", default: 1, min: 0, help: "fixes all random numbers" },
};

export type RecordOptions = OptionValues<RecordTable, readonly [RecordPositional]>;

/** Where the results go. */
export function outOption(folder: string): OutOption {
  return {
    type: "string",
    default: folder,
    valueName: "folder",
    help: "folder for tables, plots and the report",
  };
}

interface OutOption {
  readonly type: "string";
  readonly default: string;
  readonly valueName: string;
  readonly help: string;
}

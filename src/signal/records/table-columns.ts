/** @file What the names in a header mean: columns under the names that all formats share, and their units. */

import { plain } from "./record.ts";

export interface TableColumn {
  /** As the header has it. */
  readonly given: string;
  /** Without its unit; the name that other formats have for it where there is one. */
  readonly name: string;
  readonly unit: string;
  readonly index: number;
}

/** Units that a name may end with: `lod_ms`, `LOD (ms)`, `x [mas]`. */
const UNITS: Readonly<Record<string, string>> = {
  s: "s",
  sec: "s",
  seconds: "s",
  ms: "ms",
  us: "us",
  arcsec: "arcsec",
  as: "arcsec",
  mas: "mas",
  uas: "uas",
  rad: "rad",
  years: "years",
  yr: "yr",
  days: "days",
  d: "d",
  v: "V",
  hpa: "hPa",
  nms2: "nm/s²",
};
/** Where a name says nothing: as the IERS has them. */
const USUAL: readonly (readonly [name: RegExp, unit: string])[] = [
  [/^(LOD|UT1-UTC)( error)?$/, "s"],
  [/^(x|y|dX|dY)( error)?$/, "arcsec"],
  [/^(mass|motion) [xyz]$/, "1"],
];

/** @param units - by name, for columns that do not say theirs */
export function columnsOf(
  header: readonly string[],
  units: Readonly<Record<string, string>>,
): TableColumn[] {
  const own = new Map(Object.entries(units).map(([name, unit]) => [plain(name), unit]));
  // Bulletin A of the data centre has values of Bulletin B beside its own, and some in thousandths.
  const thousandths = header.some((name) => plain(name) === "bulbxpole");
  const taken = new Set<string>();
  return header.map((given, index) => {
    const { name: bare, unit: said } = parted(given.trim());
    const shared = sharedName(bare);
    let name = shared;
    for (let k = 2; taken.has(name); k++) name = `${shared} ${k}`;
    taken.add(name);
    const usual = USUAL.find(([pattern]) => pattern.test(name))?.[1] ?? "";
    const published = thousandths
      ? (
          { LOD: "ms", "LOD error": "ms", dX: "mas", dY: "mas" } as Readonly<Record<string, string>>
        )[name]
      : undefined;
    const unit = own.get(plain(name)) ?? own.get(plain(given)) ?? (said || (published ?? usual));
    return { given: given.trim(), name, unit, index };
  });
}

function parted(given: string): { name: string; unit: string } {
  const bracketed = /^(.*?)\s*[([]\s*([^)\]]*?)\s*[)\]]$/.exec(given);
  if (bracketed !== null) {
    const [, name = "", unit = ""] = bracketed;
    return { name, unit: UNITS[plain(unit)] ?? unit };
  }
  const at = given.lastIndexOf("_");
  const unit = at > 0 ? UNITS[given.slice(at + 1).toLowerCase()] : undefined;
  return unit === undefined ? { name: given, unit: "" } : { name: given.slice(0, at), unit };
}

function sharedName(name: string): string {
  const letters = plain(name);
  const error = /^(?:sigma|err|error|e)?(.*?)(?:sigma|err|error)?$/.exec(letters)?.[1] ?? letters;
  const main = quantity(letters);
  if (main !== undefined) return main;
  const of = quantity(error);
  return of === undefined || error === letters ? name : `${of} error`;
}

function quantity(letters: string): string | undefined {
  if (/^(delta)?lod$/.test(letters)) return "LOD";
  if (/^(ut1utc|dut1)$/.test(letters)) return "UT1-UTC";
  const pole = /^(?:pm)?([xy])(?:pole|p|pm)?$/.exec(letters)?.[1];
  if (pole !== undefined) return pole;
  const offset = /^d([xy])$/.exec(letters)?.[1];
  if (offset !== undefined) return `d${offset.toUpperCase()}`;
  const momentum =
    /^(?:[aohsl]*am)?(?:([xyz])(mass|motion)|(mass|motion)(?:term)?([xyz]))(?:term|component)?$/.exec(
      letters,
    );
  if (momentum === null) return undefined;
  const [, before, first, second, after] = momentum;
  return `${first ?? second} ${before ?? after}`;
}

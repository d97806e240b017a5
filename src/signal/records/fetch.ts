/** @file Getting records from their publishers: checked before they replace anything, kept with their checksums. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { writeAtomically } from "../../files/atomic.ts";
import { diskError, ifPresent } from "../../files/disk.ts";
import { makeFolder } from "../../files/folder.ts";
import { parseRecord } from "./parse.ts";
import { dateOf } from "./record.ts";
import type { RecordSource } from "./sources.ts";

/** What is known of a kept file; `fetched.json` beside it holds these by file name. */
export interface KeptFile {
  readonly file: string;
  /** Where it came from; of a series in yearly files the first. */
  readonly address: string;
  readonly sha256: string;
  readonly bytes: number;
  /** ISO date and time. */
  readonly fetched: string;
  readonly format: string;
  readonly rows: number;
  /** Days of the first and last row. */
  readonly from: string;
  readonly until: string;
  readonly cite: string;
  /** Of the server, to ask for news only. */
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface Fetched extends KeptFile {
  readonly path: string;
  /** `new`, `changed`, or `same` as the file that was here. */
  readonly state: "new" | "changed" | "same";
}

export interface FetchOptions {
  readonly folder: string;
  /** Fetch again what has not changed. */
  readonly force?: boolean;
  /** The only checksum to accept: SHA-256, hexadecimal. */
  readonly sha256?: string;
  /** First and last of yearly files; all up to this year when absent. */
  readonly years?: readonly [number, number];
  readonly signal?: AbortSignal;
  readonly onNotice?: (line: string) => void;
  /** Yearly files that are done, of how many. */
  readonly onYear?: (done: number, total: number) => void;
  /** Seconds that a server may stay silent; 60 when absent. */
  readonly patience?: number;
}

const LISTING = "fetched.json";
const LARGEST = 2 ** 29;

/**
 * Fetches one record. A server is asked for news only when the file here is still the one that came from it;
 * what comes is read whole, checked, and put in place at once.
 *
 * @throws DataError when no address answers, what comes is no record, or its checksum is another
 * @throws DiskError when the folder refuses
 */
export async function fetchRecord(source: RecordSource, options: FetchOptions): Promise<Fetched> {
  const { folder, sha256: expected, onNotice = () => {} } = options;
  const path = join(folder, source.file);
  await makeFolder(folder).catch((cause: unknown) => {
    throw diskError("data fetch", folder, cause);
  });
  const listing = await readListing(folder);
  const here = await ifPresent(readFile(path));
  const listed = listing[source.file];
  const intact = here !== undefined && listed !== undefined && hashOf(here) === listed.sha256;
  if (here !== undefined && listed !== undefined && !intact)
    onNotice(`${path} is not as it was fetched: fetching it anew`);
  const ask =
    intact && options.force !== true && source.firstYear === undefined ? listed : undefined;
  const answer =
    source.firstYear === undefined
      ? await firstAnswer(source, source.addresses, options, ask)
      : await yearlyAnswer(source, source.firstYear, options);
  if (answer === "same" && listed !== undefined) return { ...listed, path, state: "same" };
  if (answer === "same") throw new TypeError("an answer without a question");
  const { bytes, address } = answer;
  const sha256 = hashOf(bytes);
  if (expected !== undefined && expected.toLowerCase() !== sha256)
    throw failed(source, "what came has another checksum", [
      ["expected", expected.toLowerCase()],
      ["sha256", sha256],
      ["from", address],
      [
        "fix",
        `check the checksum; ${here === undefined ? "nothing was kept" : "the file here is as before"}`,
      ],
    ]);
  const record = parseRecord(new TextDecoder().decode(bytes), address);
  const kept: KeptFile = {
    ...{ file: source.file, address, sha256, bytes: bytes.length },
    fetched: new Date().toISOString(),
    format: record.format,
    rows: record.mjd.length,
    from: dateOf(record.mjd[0] ?? 0),
    until: dateOf(record.mjd.at(-1) ?? 0),
    cite: source.cite,
    ...(answer.etag !== undefined && { etag: answer.etag }),
    ...(answer.lastModified !== undefined && { lastModified: answer.lastModified }),
  };
  const same = intact && listed?.sha256 === sha256;
  if (!same) await writeAtomically(path, bytes);
  const whole = { ...(await readListing(folder)), [source.file]: kept };
  await writeAtomically(join(folder, LISTING), `${JSON.stringify(whole, null, 2)}\n`);
  return { ...kept, path, state: same ? "same" : here === undefined ? "new" : "changed" };
}

interface Answer {
  readonly bytes: Uint8Array;
  readonly address: string;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

/** From the first address that has it; "same" when the server says that nothing changed. */
async function firstAnswer(
  source: RecordSource,
  addresses: readonly string[],
  options: FetchOptions,
  known?: KeptFile,
): Promise<Answer | "same"> {
  const troubles: (readonly [string, string])[] = [];
  for (const address of addresses) {
    const trouble = (text: string): void => {
      troubles.push([new URL(address).host, text]);
    };
    try {
      const headers = new Headers();
      if (known?.address === address && known.etag !== undefined)
        headers.set("if-none-match", known.etag);
      else if (known?.address === address && known.lastModified !== undefined)
        headers.set("if-modified-since", known.lastModified);
      const reply = await fetch(address, { headers, signal: limit(options) });
      if (reply.status === 304) return "same";
      if (!reply.ok) {
        await reply.body?.cancel();
        trouble(`answered ${reply.status} ${reply.statusText}`.trim());
        continue;
      }
      const bytes = new Uint8Array(await reply.arrayBuffer());
      const text = new TextDecoder().decode(bytes.subarray(0, 400));
      if (bytes.length > LARGEST) trouble(`sent ${bytes.length} bytes, far too many`);
      else if (/^\s*<(!doctype|html)/i.test(text)) trouble("sent a web page, not the file");
      else if (bytes.length === 0) trouble("sent an empty file");
      else
        return {
          ...{ bytes, address },
          etag: reply.headers.get("etag") ?? undefined,
          lastModified: reply.headers.get("last-modified") ?? undefined,
        };
    } catch (cause) {
      options.signal?.throwIfAborted();
      trouble(reasonOf(cause));
    }
  }
  throw failed(source, "no address has it", [
    ...troubles,
    [
      "fix",
      `if the network does not allow it, fetch ${addresses[0]} elsewhere, and put it into ${options.folder} as ${source.file}`,
    ],
  ]);
}

/** Files of years, one behind the other. Years that have not begun to be published may be missing at the end. */
async function yearlyAnswer(
  source: RecordSource,
  firstYear: number,
  options: FetchOptions,
): Promise<Answer> {
  const [from, until] = options.years ?? [firstYear, new Date().getUTCFullYear()];
  const years = Array.from(
    { length: until - from + 1 },
    (_, k) => Math.max(from, firstYear) + k,
  ).filter((year) => year <= until);
  if (years.length === 0)
    throw failed(source, `no years from ${from} to ${until}`, [
      ["fix", `it begins in ${firstYear}`],
    ]);
  const answers: Answer[] = [];
  for (const year of years) {
    const addresses = source.addresses.map((address) => address.replace("{year}", String(year)));
    try {
      const answer = await firstAnswer(source, addresses, options);
      if (answer !== "same") answers.push(answer);
    } catch (error) {
      const late = options.years === undefined && year === until && answers.length > 0;
      if (!late || !(error instanceof DataError)) throw error;
      options.onNotice?.(`${source.name}: nothing yet for ${year}`);
    }
    options.onYear?.(answers.length, years.length);
  }
  const [first] = answers;
  if (first === undefined) throw failed(source, "nothing came", []);
  // A table has its names once.
  const texts = answers.map(({ bytes }) => new TextDecoder().decode(bytes).trimEnd());
  const table = texts[0]?.split("\n", 1)[0]?.includes(";") === true;
  const joined = texts.map((text, k) =>
    table && k > 0 ? text.slice(text.indexOf("\n") + 1) : text,
  );
  return { bytes: new TextEncoder().encode(`${joined.join("\n")}\n`), address: first.address };
}

function limit({ signal, patience = 60 }: FetchOptions): AbortSignal {
  const late = AbortSignal.timeout(1000 * patience);
  return signal === undefined ? late : AbortSignal.any([signal, late]);
}

/** The system's own word where there is one: fetch hides it in a cause. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return "did not answer in time";
  const inner = cause.cause;
  if (inner instanceof AggregateError && inner.errors[0] instanceof Error)
    return inner.errors[0].message;
  return inner instanceof Error && inner.message !== "" ? inner.message : cause.message;
}

async function readListing(folder: string): Promise<Readonly<Record<string, KeptFile>>> {
  const text = await ifPresent(readFile(join(folder, LISTING), "utf8"));
  try {
    return text === undefined ? {} : (JSON.parse(text) as Record<string, KeptFile>);
  } catch {
    // Damaged: all is fetched anew.
    return {};
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function failed(
  source: RecordSource,
  what: string,
  facts: readonly (readonly [string, string])[],
): DataError {
  return new DataError("DATA-01", `data fetch: ${source.name}: ${what}.`, facts);
}

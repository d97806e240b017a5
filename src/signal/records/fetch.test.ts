import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type FetchOptions, fetchRecord } from "./fetch.ts";
import { openRecord } from "./open.ts";
import { fetchFolder } from "./shelf.ts";
import { RECORD_SOURCES, type RecordSource } from "./sources.ts";

const row = (day: number) =>
  `1962   1   ${day}   0  ${37664 + day}.00   -0.012700    0.213000   0.0326338    0.000000    0.000000    0.000000    0.000000   0.0017230    0.030000    0.030000   0.0020000    0.004774    0.002000    0.000000    0.000000   0.0014000`;
const C04 = `# EOP 20 C04\n${[1, 2, 3].map(row).join("\n")}\n`;
const momentum = (year: number, mjd: number) =>
  `Effective Atmospheric Angular Momentum Functions\n\n${year} 01 01 00 ${mjd}.000 1.0e-8 1.0e-8 1.0e-8 1.0e-9 1.0e-9 1.0e-9\n`;

let server: Server;
let base: string;
let folder: string;
/** What the server has, by path; a status where there is nothing. */
let pages: Record<string, string | number>;
let asked: IncomingMessage[];

beforeAll(async () => {
  server = createServer((request, reply) => {
    asked.push(request);
    const page = pages[request.url ?? ""] ?? 404;
    if (page === -1) return; // never answers
    if (typeof page === "number") return reply.writeHead(page).end("no");
    const etag = `"${page.length}"`;
    if (request.headers["if-none-match"] === etag) return reply.writeHead(304).end();
    return reply.writeHead(200, { etag }).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meshloom-fetch-"));
  pages = { "/c04": C04 };
  asked = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const source = (...addresses: string[]): RecordSource => ({
  ...{ name: "c04", what: "C04", file: "c04.txt", cite: "IERS" },
  addresses: addresses.map((path) => (path.startsWith("http") ? path : base + path)),
});
const get = (from: RecordSource = source("/c04"), options: Partial<FetchOptions> = {}) =>
  fetchRecord(from, { folder, ...options });

describe("fetching a record", () => {
  test("keeps it with its checksum, and asks for news only", async () => {
    const first = await get();
    expect(first).toMatchObject({ state: "new", rows: 3, from: "1962-01-01", until: "1962-01-03" });
    expect((await openRecord(first.path)).sha256).toBe(first.sha256);
    expect(readdirSync(folder).sort()).toEqual(["c04.txt", "fetched.json"]);
    expect((await get()).state).toBe("same");
    expect(asked[1]?.headers["if-none-match"]).toBe(`"${C04.length}"`);
    pages["/c04"] = `${C04}${row(4)}\n`;
    expect(await get()).toMatchObject({ state: "changed", rows: 4 });
    expect((await get(undefined, { force: true })).state).toBe("same");
    expect(asked.at(-1)?.headers["if-none-match"]).toBeUndefined();
  });

  test("gets anew what somebody changed here, and says so", async () => {
    const { path } = await get();
    writeFileSync(path, "changed");
    const notices: string[] = [];
    const again = await get(undefined, { onNotice: (line) => notices.push(line) });
    expect(again.state).toBe("changed");
    expect(readFileSync(path, "utf8")).toBe(C04);
    expect(notices).toEqual([`${path} is not as it was fetched: fetching it anew`]);
  });

  test("goes on to the next address where one has nothing", async () => {
    pages["/page"] = "<!DOCTYPE html><p>moved";
    expect((await get(source("/gone", "/page", "/c04"))).address).toBe(`${base}/c04`);
  });

  test("where no address answers names each, its trouble, and what to do; the file here stays", async () => {
    const { path } = await get();
    pages["/slow"] = -1;
    const dead = "http://127.0.0.1:9/c04";
    const failing = get(source("/gone", "/slow", dead), { patience: 0.2, force: true });
    await expect(failing).rejects.toThrow("data fetch: c04: no address has it.");
    const text = await failing.catch(String);
    expect(text).toContain("answered 404 Not Found");
    expect(text).toContain("did not answer in time");
    expect(text).toMatch(/127\.0\.0\.1:9 +\S/);
    expect(text).toContain(`if the network does not allow it, fetch ${base}/gone elsewhere`);
    expect(text).toContain(`put it into ${folder} as c04.txt`);
    expect(readFileSync(path, "utf8")).toBe(C04);
  });

  test("refuses what is no record, or has another checksum, and keeps the old file", async () => {
    const { path, sha256 } = await get();
    pages["/c04"] = C04.replace("0.0017230", "0.00x72301");
    await expect(get()).rejects.toThrow(
      `${base}/c04: line 2, column LOD: "0.00x72301" is no number.`,
    );
    pages["/c04"] = `${C04}${row(4)}\n`;
    await expect(get(undefined, { sha256 })).rejects.toThrow("another checksum");
    expect(readFileSync(path, "utf8")).toBe(C04);
    pages["/c04"] = C04;
    expect((await get(undefined, { sha256: sha256.toUpperCase(), force: true })).state).toBe(
      "same",
    );
  });

  test("joins the files of years, and waits for a year that has just begun", async () => {
    const year = new Date().getUTCFullYear();
    const yearly = { ...source("/aam/{year}"), firstYear: year - 2 };
    const january = (y: number) => Date.UTC(y, 0, 1) / 86_400_000 + 40_587;
    for (const y of [year - 2, year - 1]) pages[`/aam/${y}`] = momentum(y, january(y));
    const notices: string[] = [];
    const years: number[] = [];
    const options = {
      onNotice: (line: string) => notices.push(line),
      onYear: (n: number) => years.push(n),
    };
    expect(await get(yearly, options)).toMatchObject({
      rows: 2,
      format: "effective angular momentum",
    });
    expect(notices).toEqual([`c04: nothing yet for ${year}`]);
    expect(years).toEqual([1, 2, 2]);
    // A year in the middle is not left out.
    delete pages[`/aam/${year - 2}`];
    await expect(get(yearly)).rejects.toThrow("no address has it");
    await expect(get(yearly, { years: [1900, 1901] })).rejects.toThrow(
      "no years from 1900 to 1901",
    );
  });

  test("joins tables under one head", async () => {
    const head = "MJD;Year;Month;Day;massX;massY;massZ;motionX;motionY;motionZ\n";
    pages["/t/2000"] = `${head}51544;2000;01;01;1e-8;1e-8;1e-8;1e-8;1e-8;1e-8\n`;
    pages["/t/2001"] = `${head}51910;2001;01;01;1e-8;1e-8;1e-8;1e-8;1e-8;1e-8\n`;
    const { path, rows } = await get(
      { ...source("/t/{year}"), firstYear: 2000 },
      { years: [2000, 2001] },
    );
    expect(rows).toBe(2);
    expect((await openRecord(path)).columns.get("motion z")?.unit).toBe("1");
  });

  test("ends when asked to", async () => {
    pages["/slow"] = -1;
    const controller = new AbortController();
    const going = get(source("/slow"), { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(going).rejects.toThrow("abort");
    expect(existsSync(join(folder, "c04.txt"))).toBe(false);
  });
});

test("the table of sources has names, files and addresses of its own", () => {
  for (const key of ["name", "file"] as const)
    expect(new Set(RECORD_SOURCES.map((each) => each[key])).size).toBe(RECORD_SOURCES.length);
  for (const { addresses, firstYear } of RECORD_SOURCES) {
    expect(addresses.length).toBeGreaterThanOrEqual(2);
    for (const address of addresses) {
      expect(new URL(address.replace("{year}", "2000")).protocol).toBe("https:");
      expect(address.includes("{year}")).toBe(firstYear !== undefined);
    }
  }
});

test("records are kept in the folder of data, or in the user's cache", () => {
  expect(fetchFolder({ MESHLOOM_DATA: "/data" })).toBe("/data/iers");
  expect(fetchFolder({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/meshloom/iers");
  expect(fetchFolder({ MESHLOOM_CACHE: "/mine" })).toBe("/mine/iers");
});

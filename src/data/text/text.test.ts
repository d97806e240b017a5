import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../core/errors.ts";
import { fileBytes, unpackedSize } from "./bytes.ts";
import { type Boundary, cutPieces, type Piece, WHOLE_FILE } from "./pieces.ts";
import { jsonArray, jsonLines, tabLines } from "./records.ts";
import { fileText } from "./utf8.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-text-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(DataError);
  const { message } = error as DataError;
  expect(message).toContain("fix ");
  return message.replaceAll(`${folder}/`, "");
}

async function* chunked(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

describe("fileText", () => {
  it("gives the text of a file, packed or not, over many chunks", async () => {
    // Characters of one to four bytes, so that chunks of 2^18 bytes end inside them.
    const text = "aé€🐋\r\n".repeat(150_000);
    for (const name of ["long.txt", "long.txt.gz"]) {
      const path = await file(name, name.endsWith("gz") ? gzipSync(text) : text);
      const pieces = await all(fileText(path));
      expect(pieces.length).toBeGreaterThan(4);
      expect(pieces.join("")).toBe(text);
      expect(pieces.every((piece) => !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(piece))).toBe(true);
      expect(await unpackedSize(path)).toBe(Buffer.byteLength(text));
    }
  });

  it("drops a byte order mark at the start only, and keeps line ends", async () => {
    const path = await file("bom.txt", "\ufeffa\r\n\ufeffb\n");
    expect((await all(fileText(path))).join("")).toBe("a\r\n\ufeffb\n");
  });

  it("reads a gzip file of several members", async () => {
    const path = await file("two.gz", Buffer.concat([gzipSync("one "), gzipSync("two")]));
    expect((await all(fileText(path))).join("")).toBe("one two");
  });

  it("names the file and the byte of what is no UTF-8, also deep in it", async () => {
    const prefix = Buffer.from("é".repeat(200_000));
    const path = await file("late.txt", Buffer.concat([prefix, Buffer.of(0xe9, 0x20)]));
    expect(await messageOf(all(fileText(path)))).toContain("late.txt is not UTF-8 at byte 400000.");
    const cut = await file("cut.txt", Buffer.concat([prefix, Buffer.of(0xe2, 0x82)]));
    expect(await messageOf(all(fileText(cut)))).toContain(
      "cut.txt is not UTF-8 at byte 400000.\n  found    the end of the file, inside a character",
    );
    const zero = await file("zero.txt", Buffer.concat([prefix, Buffer.of(0)]));
    expect(await messageOf(all(fileText(zero)))).toContain(
      "zero.txt is not text: byte 400000 is zero.",
    );
  });

  it("puts U+FFFD in the place of broken bytes when asked, and counts only those", async () => {
    const bytes = Buffer.concat([Buffer.from("a\ufffdb"), Buffer.of(0xff), Buffer.from("c")]);
    const counts = { replaced: 0, read: 0 };
    const path = await file("broken.txt", Buffer.concat([bytes, Buffer.of(0xe2, 0x82)]));
    expect((await all(fileText(path, "replace", counts))).join("")).toBe("a\ufffdb\ufffdc\ufffd");
    expect(counts).toEqual({ replaced: 2, read: bytes.length + 2 });
  });

  it("decodes any bytes as the platform's decoder does", async () => {
    const anything = fc.uint8Array({ minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        const path = await file("any.txt", bytes);
        const expected = new TextDecoder("utf-8").decode(bytes);
        const found = all(fileText(path, "replace")).then((pieces) => pieces.join(""));
        if (bytes.includes(0)) await messageOf(found);
        else expect(await found).toBe(expected);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it("refuses damaged gzip: cut, changed, empty", async () => {
    const whole = gzipSync("Call me Ishmael. ".repeat(100));
    const damaged = Buffer.from(whole);
    damaged[30] = (damaged[30] ?? 0) ^ 0xff;
    for (const bytes of [whole.subarray(0, 40), damaged, Buffer.of(), Buffer.from("text")]) {
      const path = await file("bad.txt.gz", bytes);
      expect(await messageOf(all(fileBytes(path)))).toContain("bad.txt.gz is a damaged gzip file.");
    }
  });

  it("says what is not there", async () => {
    expect(await messageOf(all(fileText(join(folder, "none.txt"))))).toContain(
      "cannot read none.txt.\n  cause    ENOENT",
    );
  });
});

describe("cutPieces", () => {
  const documentsOf = (pieces: readonly Piece[]): string[] => {
    const found: string[] = [];
    let open = "";
    for (const { text, continues } of pieces) {
      open += text;
      if (!continues) {
        found.push(open);
        open = "";
      }
    }
    expect(open).toBe("");
    return found;
  };
  const text = fc
    .array(fc.constantFrom("a", "bc", " ", "\n", "🐋", "--", " = H = \n", "\n\n"), {
      maxLength: 60,
    })
    .map((parts) => parts.join(""));
  const sizes = { chunk: fc.integer({ min: 1, max: 30 }), piece: fc.integer({ min: 4, max: 40 }) };

  it("cuts at separators as split does, whatever the chunks and the longest piece", async () => {
    const boundary: Boundary = { kind: "separator", text: "--" };
    await fc.assert(
      fc.asyncProperty(text, sizes.chunk, sizes.piece, async (whole, chunk, piece) => {
        const pieces = await all(cutPieces(chunked(whole, chunk), boundary, piece));
        expect(documentsOf(pieces)).toEqual(whole.split("--"));
        expect(Math.max(...pieces.map((p) => p.text.length))).toBeLessThanOrEqual(piece + 2);
        expect(pieces.every((p) => !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(p.text))).toBe(true);
      }),
      { seed: 6, numRuns: 400 },
    );
  });

  it("keeps the whole text of a file of one document, and of headings", async () => {
    for (const boundary of [WHOLE_FILE, { kind: "heading", line: /^ = H = $/ } as const]) {
      await fc.assert(
        fc.asyncProperty(text, sizes.chunk, async (whole, chunk) => {
          const pieces = await all(cutPieces(chunked(whole, chunk), boundary, 2000));
          expect(documentsOf(pieces).join("")).toBe(whole);
          for (const [i, { text: found, line }] of pieces.entries()) {
            const before = pieces
              .slice(0, i)
              .map((p) => p.text)
              .join("");
            expect(line).toBe(before.split("\n").length);
            if (i > 0) expect(found).toMatch(/^ = H = /);
          }
        }),
        { seed: 7, numRuns: 200 },
      );
    }
  });

  it("cuts long texts after line ends", async () => {
    const pieces = await all(cutPieces(chunked("one two\n".repeat(40), 7), WHOLE_FILE, 50));
    expect(new Set(pieces.slice(0, -1).map((p) => p.text))).toEqual(
      new Set(["one two\n".repeat(6)]),
    );
  });
});

describe("records", () => {
  it("reads JSONL by field, into objects by dots, a line at a time", async () => {
    const lines = '{"a": {"b": "x\\ny"}, "a.c": "dots"}\r\n\n  \n{"a": {"b": "🐋"}, "a.c": ""}';
    for (const size of [1, 3, 1000]) {
      const rows = await all(jsonLines("f", chunked(lines, size)));
      expect(rows.map((row) => [row.text("a.b"), row.text("a.c"), row.at])).toEqual([
        ["x\ny", "dots", "f line 1"],
        ["🐋", "", "f line 4"],
      ]);
    }
  });

  it.each([
    ['{"text": "a"}\n{"text": "b', "f line 2 is not JSON."],
    ['{"text": "a"}{"text": "b"}', "f line 1 is not JSON."],
    ['\n{"body": 1, "title": 2}', 'f line 2 has no field "text".\n  fields    body, title'],
    ['{"text": 7}', 'f line 1: "text" is not a text.\n  found    7'],
    ["[1]", "f line 1: the record is not an object.\n  found    [1]"],
    ["null", "f line 1: the record is not an object."],
    ['{"text": "\\ud800 x"}', 'f line 1: "text" holds half of a character.\n  found    \\ud800'],
  ])("refuses %j", async (lines, message) => {
    const texts = all(jsonLines("f", chunked(lines, 5))).then((rows) =>
      rows.map((row) => row.text("text")),
    );
    expect(await messageOf(texts)).toContain(message);
  });

  it("stops at a line that never ends", async () => {
    expect(await messageOf(all(jsonLines("f", chunked("x".repeat(500), 50), 100)))).toContain(
      "f line 1 is longer than 100 characters.",
    );
    expect(
      await messageOf(all(jsonArray("f", chunked(`["${"x".repeat(500)}`, 50), 100))),
    ).toContain("is longer than 100 characters.");
  });

  it("reads an array as JSON.parse does, whatever the chunks", async () => {
    const array = fc.array(fc.jsonValue(), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        array,
        fc.nat(3),
        fc.integer({ min: 1, max: 20 }),
        async (values, indent, size) => {
          const text = `\n ${JSON.stringify(values, null, indent)} \n`;
          const rows = await all(jsonArray("f", chunked(text, size)));
          expect(rows.map(({ value }) => value)).toEqual(JSON.parse(text));
        },
      ),
      { seed: 8, numRuns: 300 },
    );
  });

  it.each([
    ['[{"text": "a"},\n{"te', "f line 2: the file ends before its array does."],
    ['{"text": "a"}', "f line 1: the file does not begin with an array."],
    ["[1,\n,2]", "f line 2: an element is missing."],
    ["[1,]", "an element is missing."],
    ["[1] 2", "text follows the array."],
    ["[1 2]", "is not JSON."],
    ['[{"a": 1]}', "f line 1"],
    ["", "the file ends before its array does."],
  ])("refuses the array %j", async (text, message) => {
    expect(await messageOf(all(jsonArray("f", chunked(text, 3))))).toContain(message);
  });

  it("reads tables with tabs, by name or by column, and refuses torn rows", async () => {
    const table = await all(tabLines("f", chunked("a\tb\n1\t2\r\n3\t\n", 2), true));
    expect(table.map((row) => row.value)).toEqual([
      { a: "1", b: "2" },
      { a: "3", b: "" },
    ]);
    const plain = await all(tabLines("f", chunked("1\t2\n", 2), false));
    expect(plain[0]?.text("1")).toBe("2");
    expect(await messageOf(all(tabLines("f", chunked("a\tb\n1\n", 2), true)))).toContain(
      "f line 2 has 1 columns.\n  before    2 columns",
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTYPES, dtypeFacts, viewOf } from "../core/dtype.ts";
import { CheckpointError } from "../core/errors.ts";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.ts";

const runs = { seed: 5, numRuns: 300 };
const odd = fc.constantFrom("__proto__", "10", "2", "", 'a"b\\', "layers/0/query", "\u0061");
const name = fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), odd);

const tensor: fc.Arbitrary<NamedTensor> = fc
  .record({
    name: name.filter((n) => n !== "__metadata__"),
    dtype: fc.constantFrom(...DTYPES),
    dims: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }),
    salt: fc.nat(),
  })
  .map(({ salt, ...rest }) => {
    const count = rest.dims.reduce((a, b) => a * b, 1);
    const bytes = new Uint8Array(count * dtypeFacts(rest.dtype).bytes);
    bytes.forEach((_, i) => {
      bytes[i] = rest.dtype === "bool" ? (salt + i) % 2 : salt * 31 + i * 97;
    });
    return { ...rest, data: viewOf(rest.dtype, bytes.buffer, 0, count) };
  });
const tensors = fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 6 });

function rawBytes(t: NamedTensor): number[] {
  return [...new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength)];
}

/** A file with `header` as given and `data` zero bytes behind it. */
function fileOf(header: string, data: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe("round trip", () => {
  it("keeps names, order, dtypes, dims and every bit", () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(name, fc.string()), (given, metadata) => {
        const bytes = encodeSafetensors(given, metadata);
        const back = decodeSafetensors(bytes, "x");
        expect({ ...back.metadata }).toEqual({ ...metadata });
        // Integer-like names come back first: that is how JSON objects are read.
        const found = new Map(back.tensors.map((t) => [t.name, t]));
        expect(found.size).toBe(given.length);
        for (const t of given) {
          const other = found.get(t.name)!;
          expect([other.dtype, other.dims, rawBytes(other)]).toEqual([
            t.dtype,
            t.dims,
            rawBytes(t),
          ]);
        }
      }),
      runs,
    );
  });

  it("aligns the data to 8 bytes and wide dtypes first", () => {
    const file = encodeSafetensors(
      [
        { name: "a", dtype: "bool", dims: [3], data: Uint8Array.of(1, 0, 1) },
        { name: "b", dtype: "float64", dims: [1], data: Float64Array.of(2) },
      ],
      {},
    );
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(new TextDecoder().decode(file.subarray(8, 8 + length)).trimEnd()).toBe(
      '{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]},' +
        '"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}',
    );
  });

  it("reads a file that lies unaligned in memory", () => {
    const file = encodeSafetensors(
      [{ name: "a", dtype: "float32", dims: [2], data: Float32Array.of(1, 2) }],
      {},
    );
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    for (const bytes of [shifted.subarray(3), Buffer.from(shifted.buffer, 3)]) {
      const [a] = decodeSafetensors(bytes, "x").tensors;
      expect(a?.data).toEqual(Float32Array.of(1, 2));
      expect(a?.data.buffer.byteLength).toBe(8);
    }
  });
});

describe("damage", () => {
  const entry = (dtype: string, shape: string, begin: number, end: number) =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
  const a = `"a":${entry("F32", "[2]", 0, 8)}`;
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["too few bytes", new Uint8Array(5), "5 bytes are too few for a header length."],
    [
      "huge header",
      Uint8Array.of(1, 225, 245, 5, 0, 0, 0, 0),
      "its header claims 100000001 bytes; the format allows 100 MB.",
    ],
    ["cut header", fileOf("{}", 0).subarray(0, 9), "it ends inside the header."],
    ["bad JSON", fileOf("{a}", 0), "its header is not JSON."],
    ["no UTF-8", fileOf('{"\u00e9"}', 0).map((b) => (b === 0xc3 ? 0xff : b)), "is not JSON."],
    ["an array", fileOf("[]", 0), "its header is not a JSON object."],
    ["space first", fileOf(" {}", 0), "its header is not a JSON object."],
    ["doubled tensor", fileOf(`{${a},"\\u0061":1}`, 8), 'its header has "a" twice.'],
    ["doubled inside", fileOf('{"a":{"dtype":1,"dtype":2}}', 0), 'has "dtype" twice.'],
    ["metadata", fileOf('{"__metadata__":{"a":1}}', 0), "not a map from strings to strings."],
    ["no object", fileOf('{"a":1}', 0), 'tensor "a": its entry is not an object.'],
    [
      "unknown key",
      fileOf(`{"a":${entry("F32", "[]", 0, 4).replace("}", ',"x":1}')}}`, 4),
      'tensor "a": its entry has an unknown key "x".',
    ],
    [
      "dtype",
      fileOf(`{"a":${entry("F8_E5M2", "[2]", 0, 4)}}`, 4),
      'tensor "a": dtype "F8_E5M2" is not supported; known are F32, F64, F16, BF16, I32, I64, U32, BOOL.',
    ],
    ["shape", fileOf(`{"a":${entry("F32", "[-1]", 0, 4)}}`, 4), "shape [-1] is not a list of"],
    [
      "length",
      fileOf(`{"a":${entry("F32", "[3]", 0, 8)}}`, 8),
      'tensor "a": data_offsets [0, 8] hold 8 bytes; F32[3] needs 12.',
    ],
    ["out of range", fileOf(`{${a}}`, 4), "[0, 8] end outside the 4 bytes of data."],
    [
      "overlap",
      fileOf(`{${a},"b":${entry("F32", "[1]", 4, 8)}}`, 8),
      'tensor "b": data_offsets [4, 8] overlap the tensor before, which ends at 8.',
    ],
    [
      "hole",
      fileOf(`{${a},"b":${entry("F32", "[1]", 12, 16)}}`, 16),
      'tensor "b": data_offsets [12, 16] leave a hole after byte 8.',
    ],
    ["rest", fileOf(`{${a}}`, 9), "1 bytes behind the last tensor belong to none."],
    [
      "bool",
      fileOf(`{"a":${entry("BOOL", "[1]", 0, 1)}}`, 1).map((b, i, all) =>
        i === all.length - 1 ? 2 : b,
      ),
      'tensor "a": a bool is neither 0 nor 1.',
    ],
  ];

  it.each(cases)("%s", (_, bytes, text) => {
    const read = () => decodeSafetensors(bytes, "runs/x/state.safetensors");
    expect(read).toThrow(CheckpointError);
    expect(read).toThrow(text);
    expect(read).toThrow("safetensors: runs/x/state.safetensors: ");
  });

  it("decodes or throws CheckpointError, whatever is flipped or cut", () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 });
    fc.assert(
      fc.property(tensors, flips, fc.nat({ max: 20 }), (given, changes, cut) => {
        const bytes = encodeSafetensors(given, { step: "1" });
        // Most flips fall into the header, where they do something.
        for (const [place, bits] of changes) bytes[place % Math.min(bytes.length, 160)]! ^= bits;
        try {
          decodeSafetensors(bytes.subarray(0, bytes.length - cut), "x");
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { seed: 6, numRuns: 2000 },
    );
  });
});

describe("encode", () => {
  const good: NamedTensor = { name: "a", dtype: "float32", dims: [1], data: Float32Array.of(1) };
  it("refuses doubled and reserved names and data that does not fit", () => {
    expect(() => encodeSafetensors([good, good], {})).toThrow('tensor "a" is there twice.');
    expect(() => encodeSafetensors([{ ...good, name: "__metadata__" }], {})).toThrow("reserved");
    const two: NamedTensor = { name: "b", dtype: "bool", dims: [1], data: Uint8Array.of(2) };
    expect(() => encodeSafetensors([two], {})).toThrow("neither 0 nor 1");
    expect(() => encodeSafetensors([{ ...good, dims: [2, 2] }], {})).toThrow(
      'safetensors: tensor "a" has 4 bytes; float32[2, 2] needs 16.',
    );
  });
});

/**
 * @file Reads protobuf's wire format from bytes that nobody vouches for.
 *
 * Every length is held against the bytes that are there before anything is allocated, every message against the one
 * around it, and nesting against a limit: a malformed file costs an error and no more memory than its own size.
 */

/** What is wrong with the bytes, and where; the caller names the file. */
export class WireError extends Error {}

/** How a field's value is laid out. */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/** Called for every field of a message; false leaves the field unread. */
export type FieldVisitor = (field: number) => boolean;

/** Subgraphs nest a few deep; protobuf's own readers stop at 100 as well. */
const MAX_DEPTH = 100;
const TEXT = new TextDecoder("utf-8", { fatal: true });
const LOOSE_TEXT = new TextDecoder("utf-8");

/** A place in the bytes; fields are visited in their order. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #end: number;
  #depth = 0;
  #field = 0;
  #wire = VARINT;

  constructor(bytes: Uint8Array) {
    // Node's Buffer is a Uint8Array whose slices are views: what is read here must be plain.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  /** Visits the fields up to the end of the message (or, at first, of the bytes). */
  fields(visit: FieldVisitor): void {
    while (this.#at < this.#end) {
      const tag = this.#varint();
      if (tag > 0xffffffff) throw this.#wrong("a field number is too large");
      this.#field = Math.floor(Number(tag) / 8);
      this.#wire = Number(tag) % 8;
      if (this.#field === 0) throw this.#wrong("field number 0");
      if (!visit(this.#field)) this.#skip();
    }
  }

  /** Visits the fields of a message that is the value of the current field. */
  message(visit: FieldVisitor): void {
    this.#within(() => this.fields(visit));
  }

  /** The value as a string. @throws WireError when it is no UTF-8 */
  text(): string {
    const bytes = this.bytes();
    try {
      return TEXT.decode(bytes);
    } catch {
      throw this.#wrong("a string is not UTF-8");
    }
  }

  /** The value as a string, whatever its bytes; for texts that may be data. */
  looseText(): string {
    return LOOSE_TEXT.decode(this.bytes());
  }

  /** The value as a view of the bytes. */
  bytes(): Uint8Array {
    this.#expect(LENGTH);
    const length = this.#length();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A signed 64-bit integer as a number; beyond 2⁵³ it is rounded. */
  int(): number {
    return Number(this.int64());
  }

  /** A signed 64-bit integer. */
  int64(): bigint {
    this.#expect(VARINT);
    return BigInt.asIntN(64, BigInt(this.#varint()));
  }

  float(): number {
    this.#expect(FIXED32);
    this.#need(4);
    this.#at += 4;
    return this.#view.getFloat32(this.#at - 4, true);
  }

  /** The elements of a repeated integer field, one or a packed run of them: writers may choose. */
  int64s(push: (value: bigint) => void): void {
    if (this.#wire === VARINT) push(this.int64());
    else this.#packed(() => push(BigInt.asIntN(64, BigInt(this.#varint()))));
  }

  /** As `int64s`, as numbers. */
  ints(push: (value: number) => void): void {
    this.int64s((value) => push(Number(value)));
  }

  /** The elements of a repeated float field. */
  floats(push: (value: number) => void): void {
    if (this.#wire === FIXED32) push(this.float());
    else
      this.#packed(() => {
        this.#need(4);
        this.#at += 4;
        push(this.#view.getFloat32(this.#at - 4, true));
      });
  }

  /** The elements of a repeated double field. */
  doubles(push: (value: number) => void): void {
    const one = () => {
      this.#need(8);
      this.#at += 8;
      push(this.#view.getFloat64(this.#at - 8, true));
    };
    if (this.#wire === FIXED64) one();
    else this.#packed(one);
  }

  #packed(one: () => void): void {
    this.#within(() => {
      while (this.#at < this.#end) one();
    });
  }

  /** Runs `read` with the value of the current field as its bounds. */
  #within(read: () => void): void {
    this.#expect(LENGTH);
    const outer = this.#end;
    const length = this.#length();
    const end = this.#at + length;
    if (this.#depth >= MAX_DEPTH) throw this.#wrong(`messages nest deeper than ${MAX_DEPTH}`);
    this.#depth++;
    this.#end = end;
    read();
    this.#depth--;
    this.#end = outer;
  }

  /** Reads a length and checks that so many bytes follow. */
  #length(): number {
    const length = this.#varint();
    if (length > this.#end - this.#at) {
      throw this.#wrong(`${length} bytes are announced, ${this.#end - this.#at} are left`);
    }
    return Number(length);
  }

  /** Unsigned, 64 bits. Nearly all are short, and doubles hold 49 bits exactly. */
  #varint(): number | bigint {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#byte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return low;
      scale *= 128;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw this.#wrong("an integer is longer than 10 bytes");
  }

  #byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++] ?? 0;
  }

  #need(count: number): void {
    if (this.#at + count > this.#end) throw this.#wrong("it ends inside a value");
  }

  #skip(): void {
    switch (this.#wire) {
      case VARINT:
        this.#varint();
        return;
      case FIXED64:
        this.#need(8);
        this.#at += 8;
        return;
      case LENGTH:
        this.bytes();
        return;
      case FIXED32:
        this.#need(4);
        this.#at += 4;
        return;
      default:
        throw this.#wrong(`wire type ${this.#wire}`);
    }
  }

  #expect(wire: number): void {
    if (this.#wire === wire) return;
    throw this.#wrong(`field ${this.#field} has wire type ${this.#wire}, not ${wire}`);
  }

  #wrong(what: string): WireError {
    return new WireError(`byte ${this.#at}: ${what}`);
  }
}

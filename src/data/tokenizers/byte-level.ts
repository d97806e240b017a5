/**
 * @file Bytes as printable characters: how byte-level vocabularies spell their pieces in JSON.
 *
 * GPT-2's table: a byte that prints in Latin-1 stands for itself, the others get U+0100 and up in order.
 */

const printable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** The character of each byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : next++),
  );
})();

/** The byte of each character code, −1 where there is none. */
const BYTE_OF_CODE = new Int16Array(0x100 + 68).fill(-1);
BYTE_CHARACTERS.forEach((character, byte) => {
  BYTE_OF_CODE[character.charCodeAt(0)] = byte;
});

/** Spells bytes as characters of the table. */
export function spellBytes(bytes: ArrayLike<number>): string {
  let spelled = "";
  for (let i = 0; i < bytes.length; i++) spelled += BYTE_CHARACTERS[bytes[i] ?? 0];
  return spelled;
}

/** The bytes that a piece spells; undefined when a character of it is not in the table. */
export function bytesOfSpelling(piece: string): Uint8Array | undefined {
  const bytes = new Uint8Array(piece.length);
  for (let i = 0; i < piece.length; i++) {
    const byte = BYTE_OF_CODE[piece.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** The piece that stands for a byte where characters are not spelled in bytes: `<0x0A>`. */
export function fallbackPiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** The byte of a piece such as `<0x0A>`, else undefined. */
export function byteOfFallback(piece: string): number | undefined {
  return /^<0x[0-9A-F]{2}>$/.test(piece) ? Number.parseInt(piece.slice(3, 5), 16) : undefined;
}

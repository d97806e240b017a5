/**
 * @file The patterns of `splitting.ts` for ASCII, by hand: one look at each character.
 *
 * Each function answers where the word that begins at `start` ends, or −1 when a character beyond ASCII
 * has a say in it: the pattern decides then. A test holds both against each other.
 */

export type WordEnd = (text: string, start: number) => number;

const UNDECIDED = -1;

const [OTHER, LETTER, DIGIT, SPACE, BEYOND] = [0, 1, 2, 3, 4];

/** The kind of each character code below 128; one more for all others. */
const KINDS = Uint8Array.from({ length: 129 }, (_, code) => {
  if (code === 128) return BEYOND;
  const character = String.fromCharCode(code);
  if (/[A-Za-z]/.test(character)) return LETTER;
  if (/[0-9]/.test(character)) return DIGIT;
  return code === 32 || (code >= 9 && code <= 13) ? SPACE : OTHER;
});

function kindAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  // NaN, past the end, is no kind.
  return code < 128 ? (KINDS[code] as number) : code >= 128 ? BEYOND : NOTHING;
}
const NOTHING = 5;

/** The first place from `at` on that is not of the kind. */
function runEnd(text: string, at: number, kind: number): number {
  let end = at;
  while (kindAt(text, end) === kind) end++;
  return kindAt(text, end) === BEYOND ? UNDECIDED : end;
}

const APOSTROPHE = 39;
const BLANK = 32;

/** Length of `'s`, `'re` and so on at a place, 0 for none. */
function contraction(text: string, at: number, anyCase: boolean): number {
  const lower = anyCase ? 0x20 : 0;
  const first = text.charCodeAt(at + 1) | lower;
  if (first === 115 || first === 116 || first === 109 || first === 100) return 2; // s t m d
  const second = text.charCodeAt(at + 2) | lower;
  if ((first === 114 || first === 118) && second === 101) return 3; // re ve
  return first === 108 && second === 108 ? 3 : 0; // ll
}

/** White space gives its last character to the word that follows, if there is one. */
function blankEnd(text: string, start: number, end: number): number {
  return end === text.length || end - start === 1 ? end : end - 1;
}

export const gpt2WordEnd: WordEnd = (text, start) => {
  const code = text.charCodeAt(start);
  if (code === APOSTROPHE) {
    const length = contraction(text, start, false);
    if (length > 0) return start + length;
  }
  const at = code === BLANK ? start + 1 : start;
  const kind = kindAt(text, at);
  if (kind === BEYOND) return UNDECIDED;
  if (kind < SPACE) return runEnd(text, at, kind);
  const end = runEnd(text, start, SPACE);
  return end === UNDECIDED ? UNDECIDED : blankEnd(text, start, end);
};

export const gpt4WordEnd: WordEnd = (text, start) => {
  const code = text.charCodeAt(start);
  const kind = kindAt(text, start);
  if (kind === BEYOND) return UNDECIDED;
  if (kind === LETTER) return runEnd(text, start, LETTER);
  const next = kindAt(text, start + 1);
  if (kind === DIGIT) {
    if (next !== DIGIT) return next === BEYOND ? UNDECIDED : start + 1;
    const third = kindAt(text, start + 2);
    if (third === BEYOND) return UNDECIDED;
    return third === DIGIT ? start + 3 : start + 2;
  }
  if (next === BEYOND) return UNDECIDED;
  if (code === APOSTROPHE) {
    const length = contraction(text, start, true);
    if (length > 0) return start + length;
  }
  if (next === LETTER && code !== 10 && code !== 13) return runEnd(text, start + 1, LETTER);
  if (kind === OTHER || (code === BLANK && next === OTHER)) {
    let end = runEnd(text, kind === OTHER ? start : start + 1, OTHER);
    while (isLineEnd(text.charCodeAt(end))) end++;
    return end;
  }
  const end = runEnd(text, start, SPACE);
  if (end === UNDECIDED) return UNDECIDED;
  for (let at = end - 1; at >= start; at--) if (isLineEnd(text.charCodeAt(at))) return at + 1;
  return blankEnd(text, start, end);
};

function isLineEnd(code: number): boolean {
  return code === 10 || code === 13;
}

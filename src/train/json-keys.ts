/** @file Doubled keys in JSON. `JSON.parse` keeps the last one silently, which can hide a tensor. */

/**
 * The first key that one object of `text` has twice.
 *
 * @param text - JSON that `JSON.parse` took; only then do the shortcuts below hold
 */
export function doubledKey(text: string): string | undefined {
  // One set of keys per open object; arrays have none.
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(undefined);
    else if (char === "}" || char === "]") open.pop();
    if (char !== '"') continue;
    const end = stringEnd(text, i);
    if (isKey(text, end)) {
      const keys = open.at(-1);
      // Parsed, since "a" and "\u0061" are the same key.
      const key = JSON.parse(text.slice(i, end)) as string;
      if (keys?.has(key) === true) return key;
      keys?.add(key);
    }
    i = end - 1;
  }
  return undefined;
}

/** The index behind the closing quote of the string that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

/** Only a key has a colon after its string. */
function isKey(text: string, end: number): boolean {
  let i = end;
  while (i < text.length && " \t\r\n".includes(text[i] ?? "")) i++;
  return text[i] === ":";
}

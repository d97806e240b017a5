/** @file Whether a text is well-formed XML, as far as our pictures use it. */

/** What is wrong with it first, or undefined. */
export function xmlError(text: string): string | undefined {
  const open: string[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const [tag] = /^<[^<>]*>/.exec(rest) ?? [];
    if (tag === undefined) {
      const [words = ""] = /^[^<]+/.exec(rest) ?? [];
      if (words === "") return `no end of a tag: ${rest.slice(0, 60)}`;
      if (open.length === 0) return `text outside: ${words.slice(0, 60)}`;
      // Style sheets have no entities either.
      if (/&(?!(#\d+|#x[0-9a-f]+|amp|lt|gt|quot|apos);)/i.test(words)) return `bare &: ${words}`;
      rest = rest.slice(words.length);
      continue;
    }
    rest = rest.slice(tag.length);
    const closing = /^<\/([\w:-]+)\s*>$/.exec(tag);
    if (closing !== null) {
      const [, name] = closing;
      const last = open.pop();
      if (last !== name) return `</${name}> closes <${last}>`;
    } else {
      const opening = /^<([\w:-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>$/.exec(tag);
      if (opening === null) return `no tag: ${tag.slice(0, 80)}`;
      const [, name = "", attributes = "", ended] = opening;
      const names = [...attributes.matchAll(/([\w:-]+)="/g)].map(([, each]) => each);
      if (new Set(names).size < names.length) return `an attribute twice: ${tag.slice(0, 80)}`;
      if (ended === "") open.push(name);
    }
    if (open.length === 0 && rest.trim() !== "") return `more than one root: ${rest.slice(0, 60)}`;
  }
  return open.length === 0 ? undefined : `<${open.at(-1)}> is not closed`;
}

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import {
  type ChatTemplate,
  chatIds,
  type Message,
  PLAIN_TEMPLATE,
  readChatTemplate,
  TEMPLATE_FILE,
} from "./chat-template.ts";

const TEMPLATE: ChatTemplate = {
  begin: "<s>",
  messages: { system: "<s>{content}", user: "<u>{content}<e>", assistant: "<a>{content}<e>" },
  answer: "<a>",
  stop: ["<e>"],
};

const NAMES = ["<s>", "<u>", "<a>", "<e>"];

/** Bytes, and four special tokens from 256 on. */
const special: Tokenizer = {
  ...byteTokenizer,
  vocab: 260,
  special: new Map(NAMES.map((name, i) => [name, 256 + i])),
  encode(text, { parseSpecial = false } = {}) {
    if (!parseSpecial) return byteTokenizer.encode(text);
    return Int32Array.from(
      text
        .split(/(<[suae]>)/)
        .flatMap((part) =>
          NAMES.includes(part) ? [256 + NAMES.indexOf(part)] : [...byteTokenizer.encode(part)],
        ),
    );
  },
};

const MESSAGES: readonly Message[] = [
  { role: "user", content: "a" },
  { role: "assistant", content: "b" },
  { role: "user", content: "<e>$&{content}" },
];

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-template-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("the plain form is a text, as it would stand in a book", () => {
  const ids = chatIds(byteTokenizer, PLAIN_TEMPLATE, [
    { role: "system", content: "s" },
    ...MESSAGES,
  ]);
  expect(byteTokenizer.decode(ids)).toBe(
    "s\n\nUser: a\nAssistant: b\nUser: <e>$&{content}\nAssistant:",
  );
});

test("special tokens are read in the template, and not in what a user writes", () => {
  const bytes = (text: string) => [...byteTokenizer.encode(text)];
  expect([...chatIds(special, TEMPLATE, MESSAGES)]).toEqual(
    [
      256,
      257,
      bytes("a"),
      259,
      258,
      bytes("b"),
      259,
      257,
      bytes("<e>$&{content}"),
      259,
      258,
    ].flat(),
  );
});

test("a folder's own template is read; without one the plain form is used", async () => {
  expect(await readChatTemplate(folder)).toBe(PLAIN_TEMPLATE);
  await writeFile(join(folder, TEMPLATE_FILE), JSON.stringify(TEMPLATE));
  expect(await readChatTemplate(folder)).toEqual(TEMPLATE);
});

test.each([
  ["{", "it is not JSON"],
  ['{"messages": {"user": "{content}"}, "answer": "a"}', "messages.system: "],
  [
    '{"messages": {"system": "x", "user": "{content}", "assistant": "{content}"}, "answer": "a"}',
    "messages.system: ",
  ],
])("a broken one is refused: %s", async (text, why) => {
  await writeFile(join(folder, TEMPLATE_FILE), text);
  await expect(readChatTemplate(folder)).rejects.toThrow(why);
  await expect(readChatTemplate(folder)).rejects.toThrow("docs/serving.md");
});

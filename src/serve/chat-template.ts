/** @file How a list of messages becomes one text for a model to go on with. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DataError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { promptIds } from "../generate/generator.ts";

export type Role = "system" | "user" | "assistant";

/** A message; `developer` has become `system`. */
export interface Message {
  readonly role: Role;
  readonly content: string;
}

/** The form that a model's conversations have. In texts, `{content}` is where a message's own text goes. */
export interface ChatTemplate {
  /** Before everything. */
  readonly begin: string;
  readonly messages: Readonly<Record<Role, string>>;
  /** Asks for the next answer. */
  readonly answer: string;
  /** Texts at which an answer ends. */
  readonly stop: readonly string[];
}

/** For models that were never shown a conversation: the form that such texts have in books and on the web. */
export const PLAIN_TEMPLATE: ChatTemplate = {
  begin: "",
  messages: {
    system: "{content}\n\n",
    user: "User: {content}\n",
    assistant: "Assistant: {content}\n",
  },
  answer: "Assistant:",
  stop: ["\nUser:", "\nAssistant:"],
};

/** Where a message's own text goes. */
const PLACE = "{content}";

const text = z.string();
const schema = z.strictObject({
  begin: text.default(""),
  messages: z.strictObject({
    system: text.includes(PLACE),
    user: text.includes(PLACE),
    assistant: text.includes(PLACE),
  }),
  answer: text.min(1),
  stop: z.array(text.min(1)).default([]),
});

export const TEMPLATE_FILE = "chat-template.json";

/**
 * The template of a run folder; the plain one when it holds none.
 *
 * @throws DataError when the file is there and is no template
 */
export async function readChatTemplate(folder: string): Promise<ChatTemplate> {
  const path = join(folder, TEMPLATE_FILE);
  const source = await readFile(path, "utf8").catch(() => undefined);
  if (source === undefined) return PLAIN_TEMPLATE;
  const refuse = (why: string) =>
    new DataError("DATA-01", `chat template: "${path}" is no template; ${why}.`, [
      ["fix", `write it as docs/serving.md says, or take it away: then the plain form is used`],
    ]);
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw refuse("it is not JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it has another form"}`);
}

/**
 * Tokens after which the model writes its answer.
 *
 * Special tokens are read in the template only: what a user writes cannot end a turn. Where the template
 * names none, all is encoded as one text, as it would stand in a book.
 */
export function chatIds(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly Message[],
): Int32Array {
  const parts = renderChat(template, messages);
  const names = [...tokenizer.special.keys()];
  const plain = !parts.some(({ own, text }) => own && names.some((name) => text.includes(name)));
  if (plain) return promptIds(tokenizer, parts.map(({ text }) => text).join(""));
  return Int32Array.from(
    parts.flatMap(({ text, own }) => [...tokenizer.encode(text, { parseSpecial: own })]),
  );
}

interface Part {
  readonly text: string;
  /** Whether it is the template's own. */
  readonly own: boolean;
}

function renderChat(template: ChatTemplate, messages: readonly Message[]): Part[] {
  const own = (one: string): Part => ({ text: one, own: true });
  const told = messages.flatMap(({ role, content }) => {
    const form = template.messages[role];
    const at = form.indexOf(PLACE);
    return [
      own(form.slice(0, at)),
      { text: content, own: false },
      own(form.slice(at + PLACE.length)),
    ];
  });
  return [own(template.begin), ...told, own(template.answer)].filter((part) => part.text !== "");
}

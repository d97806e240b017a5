/** @file Conversations: who said what, in order. One reader, for dialog models and for text alike. */

import type { Row } from "../text/row.ts";

export interface Turn {
  /**
   * `user` and `assistant` where the parts are fixed; `agent_1`, `agent_2` between equals; `knowledge` for what a speaker
   * was given; `call` and `result` for a service that was asked and what it answered.
   */
  readonly role: string;
  readonly text: string;
}

export interface Conversation {
  readonly turns: readonly Turn[];
  /** What its source calls it. */
  readonly id?: string;
}

/** A turn a line, its role before it; an empty turn has nothing after the colon. */
export function conversationText({ turns }: Conversation): string {
  return turns.map(({ role, text }) => `${role}: ${text.trim()}`).join("\n");
}

/** Topical-Chat: two people, neither of them the assistant. */
export function topicalChat(row: Row): Conversation {
  const turns = row.rows("turns").map((turn) => ({
    role: turn.text("agent"),
    text: turn.text("text"),
  }));
  return { id: row.text("id"), turns };
}

/** Taskmaster-4: what the assistant asked of the shop stands between the user's turn and its answer. */
export function taskmaster(row: Row): Conversation {
  const turns = row
    .rows("turns")
    .flatMap((turn): Turn[] => [
      { role: turn.text("speaker"), text: turn.text("text") },
      ...serviceTurns(turn),
    ]);
  return { id: row.text("id"), turns };
}

/** `api_call, request, api_response, response`: a name and its JSON, twice. */
function serviceTurns(turn: Row): Turn[] {
  const turns: Turn[] = [];
  let name = "";
  for (const call of turn.rows("calls")) {
    const [kind, value] = [call.text("0"), call.text("1")];
    if (kind === "api_call" || kind === "api_response") name = value;
    else turns.push({ role: kind === "request" ? "call" : "result", text: `${name} ${value}` });
  }
  return turns;
}

/** Schema-Guided Dialogue: the system asks a service, then speaks. */
export function schemaGuided(row: Row): Conversation {
  const turns = row.rows("turns").flatMap((turn): Turn[] => {
    const role = turn.text("speaker") === "USER" ? "user" : "assistant";
    const spoken = { role, text: turn.text("text") };
    if (!turn.has("call")) return [spoken];
    const method = turn.text("call.method");
    const { call, results } = turn.value as { call: { parameters: unknown }; results?: unknown };
    return [
      { role: "call", text: `${method} ${JSON.stringify(call.parameters)}` },
      { role: "result", text: `${method} ${JSON.stringify(results ?? [])}` },
      spoken,
    ];
  });
  return { id: row.text("id"), turns };
}

/** BEGIN: one message, the knowledge given, and a model's response to it. */
export function begin(row: Row): Conversation {
  return {
    turns: [
      { role: "knowledge", text: row.text("knowledge") },
      { role: "user", text: row.text("message") },
      { role: "assistant", text: row.text("response") },
    ],
  };
}

/** DiaSafety: a context and the response that was judged. */
export function diaSafety(row: Row): Conversation {
  return {
    turns: [
      { role: "user", text: row.text("context") },
      { role: "assistant", text: row.text("response") },
    ],
  };
}

/** Helpful and harmless: `\n\nHuman: …\n\nAssistant: …`, of the answer that was chosen. */
export function chosenAnswer(row: Row): Conversation {
  const said = row.text("chosen").split(/(?:^|\n\n)(Human|Assistant):/);
  const turns: Turn[] = [];
  for (let at = 1; at + 1 < said.length; at += 2) {
    const role = said[at] === "Human" ? "user" : "assistant";
    turns.push({ role, text: (said[at + 1] ?? "").trim() });
  }
  return { turns };
}

/** A record of a user's own: `turns` of `role` and `text`, or `messages` of `role` and `content`. */
export function ownConversation(row: Row): Conversation {
  const [list, field] = row.has("messages") ? ["messages", "content"] : ["turns", "text"];
  return {
    turns: row.rows(list).map((turn) => ({ role: turn.text("role"), text: turn.text(field) })),
  };
}

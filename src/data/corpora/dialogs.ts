/** @file Named corpora of conversations. */

import type { Row } from "../text/row.ts";
import {
  begin,
  type Conversation,
  chosenAnswer,
  conversationText,
  diaSafety,
  schemaGuided,
  taskmaster,
  topicalChat,
} from "./conversation.ts";
import { BY_HASH, type FileForm, type Split } from "./entry.ts";
import { type NamedCorpus, sharedFile } from "./named.ts";

const A_TURN_A_LINE = "a document a conversation, a turn a line, its role before it";

export const DIALOGS: readonly NamedCorpus[] = [
  {
    name: "topical-chat",
    source: "Gopalakrishnan et al. 2019, Topical-Chat (alexa/Topical-Chat)",
    licence: "CDLA-Sharing-1.0: share changed data under the same terms",
    language: "en",
    form: A_TURN_A_LINE,
    division: "its train part is not here: valid_freq trains, valid_rare is held out",
    files: () => [
      sharedFile("topical-chat", "valid_freq.jsonl.gz", dialog(topicalChat), whole("train")),
      sharedFile("topical-chat", "valid_rare.jsonl.gz", dialog(topicalChat), whole("validation")),
    ],
  },
  {
    name: "taskmaster-4",
    source: "Taskmaster-4, coffee orders (google-research-datasets/Taskmaster)",
    licence: "CC BY 4.0",
    language: "en",
    form: `${A_TURN_A_LINE}; calls of services are turns`,
    division: "5 % are held out, by the hash of the text",
    files: () => [sharedFile("taskmaster-4", "dialogs.jsonl.gz", dialog(taskmaster), BY_HASH)],
  },
  {
    name: "schema-guided-dialogue",
    source: "Rastogi et al. 2020 (google-research-datasets/dstc8-schema-guided-dialogue)",
    licence: "CC BY-SA 4.0",
    language: "en",
    form: `${A_TURN_A_LINE}; calls of services are turns`,
    division: "5 % are held out, by the hash of the text",
    files: () => [
      sharedFile("schema-guided-dialogue", "dialogs.jsonl.gz", dialog(schemaGuided), BY_HASH),
    ],
  },
  {
    name: "begin-groundedness",
    source: "Dziri et al. 2022, BEGIN: responses of models, judged (google/BEGIN-dataset)",
    licence: "CC BY 4.0; its topical-chat part CDLA-Sharing-1.0",
    language: "en",
    form: "a document a response: knowledge, message and response, a line each",
    division: "the dev parts train, wow-test-a is held out",
    files: () => [
      ...["wow-dev", "cmu-dog-dev", "topical-chat-dev"].map((part) =>
        sharedFile("begin-groundedness", `${part}.jsonl.gz`, dialog(begin), whole("train")),
      ),
      sharedFile(
        "begin-groundedness",
        "wow-test-a.jsonl.gz",
        dialog(begin),
        whole("validation", "test"),
      ),
    ],
  },
  {
    name: "diasafety",
    source: "Sun et al. 2022, DiaSafety (thu-coai/DiaSafety)",
    licence: "Apache-2.0",
    language: "en",
    form: "a document a pair: context and response, a line each",
    division: "train trains, val is held out",
    notice: "contains offensive text; kept for training and testing safety classifiers only",
    files: () => [
      sharedFile("diasafety", "train.jsonl.gz", dialog(diaSafety), whole("train")),
      sharedFile("diasafety", "val.jsonl.gz", dialog(diaSafety), whole("validation")),
    ],
  },
  {
    name: "hh-harmless",
    source: "Bai et al. 2022, helpful and harmless, harmless-base test (anthropics/hh-rlhf)",
    licence: "MIT",
    language: "en",
    form: `${A_TURN_A_LINE}; with the answer that was chosen`,
    division: "5 % are held out, by the hash of the first request",
    notice:
      "contains upsetting text; for rankers and safety filters, not meant as supervised dialog data",
    files: () => [
      sharedFile(
        "hh-harmless",
        "pairs.jsonl.gz",
        dialog(chosenAnswer, (row) => chosenAnswer(row).turns[0]?.text ?? ""),
        BY_HASH,
      ),
    ],
  },
];

function dialog(conversation: (row: Row) => Conversation, group?: (row: Row) => string): FileForm {
  const text = (row: Row) => conversationText(conversation(row));
  return { kind: "jsonl", text, conversation, ...(group === undefined ? {} : { group }) };
}

function whole(...splits: Split[]) {
  return { kind: "whole" as const, splits };
}

/** @file Named corpora that are tasks: a document holds the question and its right answer. */

import type { Row } from "../text/row.ts";
import { BY_HASH, type CorpusFacts, type CorpusFile } from "./entry.ts";
import { type NamedCorpus, sharedFile } from "./named.ts";

interface Task {
  readonly licence: string;
  readonly what: string;
  readonly text: (row: Row) => string;
  readonly group?: (row: Row) => string;
}

/** The choice that `gold` or `label` points at. */
function rightOf(row: Row, choices: readonly string[], field = "gold"): string {
  return choices[row.index(field, choices.length)] ?? "";
}

const multipleChoice = (row: Row): string =>
  `${row.text("query")}\nAnswer: ${rightOf(row, row.texts("choices"))}`;

/** Partial scoring: what follows is the same, the right context stands before it. */
const partialScoring = (row: Row): string =>
  `${rightOf(row, row.texts("context_options"))} ${row.text("continuation")}`;

const TASKS: Readonly<Record<string, Task>> = {
  lambada: {
    licence: "CC BY 4.0",
    what: "last-word prediction (Paperno et al. 2016)",
    text: (row) => `${row.text("context")} ${row.text("continuation")}`,
  },
  boolq: {
    licence: "CC BY-SA 3.0",
    what: "yes/no reading comprehension (Clark et al. 2019)",
    text: multipleChoice,
    // Questions on one passage stay together.
    group: (row) => row.text("query").split("\nQuestion:")[0] ?? "",
  },
  "arc-easy": {
    licence: "CC BY-SA 4.0",
    what: "grade-school science, multiple choice (Clark et al. 2018)",
    text: multipleChoice,
  },
  "arc-challenge": {
    licence: "CC BY-SA 4.0",
    what: "harder science questions (Clark et al. 2018)",
    text: multipleChoice,
  },
  winogrande: {
    licence: "CC BY 4.0",
    what: "pronoun resolution (Sakaguchi et al. 2020)",
    text: partialScoring,
    group: (row) => row.texts("context_options").join("\n"),
  },
  "winograd-wsc273": {
    licence: "CC BY 4.0",
    what: "Winograd schemas (Levesque et al. 2012)",
    text: partialScoring,
    group: (row) => row.texts("context_options").join("\n"),
  },
  openbookqa: {
    licence: "Apache-2.0",
    what: "science facts, multiple choice (Mihaylov et al. 2018)",
    text: (row) => `${row.text("query")} ${rightOf(row, row.texts("choices"))}`,
  },
  piqa: {
    licence: "AFL-3.0",
    what: "physical commonsense (Bisk et al. 2020)",
    text: (row) =>
      `${row.text("goal")}\n${rightOf(row, [row.text("sol1"), row.text("sol2")], "label")}`,
    group: (row) => row.text("goal"),
  },
  copa: {
    licence: "BSD-2-Clause",
    what: "choice of the plausible cause or effect (Roemmele et al. 2011)",
    text: (row) => {
      const right = rightOf(row, [row.text("choice1"), row.text("choice2")], "label");
      return `${row.text("premise")}\n${row.text("asksFor")}: ${right}`;
    },
    group: (row) => row.text("premise"),
  },
  "nq-open": {
    licence: "CC BY-SA 3.0",
    what: "open-domain questions, short answers (Lee et al. 2019)",
    text: (row) => question(row.text("question"), row.texts("answer")),
  },
  "web-questions": {
    licence: "CC BY 4.0",
    what: "open-domain questions (Berant et al. 2013)",
    text: (row) => question(row.text("qText"), row.texts("answers")),
  },
  wnli: {
    licence: "CC BY 4.0",
    what: "entailment of a resolved pronoun (GLUE)",
    text: (row) => {
      const answer = rightOf(row, ["no", "yes"], "label");
      return `${row.text("sentence1")}\n${row.text("sentence2")}\nFollows: ${answer}`;
    },
    // Twins of a schema begin alike.
    group: (row) => row.text("sentence1").slice(0, 20),
  },
  "sentiment-sentences": {
    licence: "CC BY 4.0; cite Kotzias et al. 2015",
    what: "binary sentiment of reviews (Kotzias et al. 2015)",
    text: (row) => {
      const answer = rightOf(row, ["negative", "positive"], "label");
      return `${row.text("sentence")}\nSentiment: ${answer}`;
    },
  },
  gsm8k: {
    licence: "MIT",
    what: "word problems with calculator calls (Cobbe et al. 2021)",
    text: (row) => question(row.text("question"), [row.text("answer")]),
  },
  winogender: {
    licence: "MIT",
    what: "coreference with swapped gender (Rudinger et al. 2018)",
    text: (row) => `${row.text("query")} ${rightOf(row, row.texts("choices"))}`,
    group: (row) => row.texts("choices").toSorted().join("\n"),
  },
};

const ANSWERED = "a document an example: the question and its right answer";
const HASHED = "5 % are held out, by the hash of the question";

function question(asked: string, answers: readonly string[]): string {
  return `Question: ${asked}\nAnswer: ${answers[0] ?? ""}`;
}

function taskFile(name: string, { text, group }: Task): CorpusFile {
  const reads = { kind: "jsonl" as const, text, ...(group === undefined ? {} : { group }) };
  return sharedFile("nlp-tasks", `${name}.jsonl.gz`, reads, BY_HASH);
}

const NLP_TASKS: NamedCorpus = {
  name: "nlp-tasks",
  source: "fifteen tasks for zero- and one-shot scoring; see the facts of each",
  licence: "per task: CC BY, CC BY-SA, MIT, AFL-3.0, Apache-2.0, BSD-2-Clause",
  language: "en",
  form: ANSWERED,
  division: HASHED,
  files: () => Object.entries(TASKS).map(([name, task]) => taskFile(name, task)),
  parts: Object.fromEntries(
    Object.entries(TASKS).map(([name, task]) => [
      name,
      { source: task.what, licence: task.licence, files: () => [taskFile(name, task)] },
    ]),
  ),
};

const COLA: NamedCorpus = {
  name: "cola",
  source: "Warstadt et al. 2019, Corpus of Linguistic Acceptability (nyu-mll/CoLA-baselines)",
  licence: "excerpts of published works, distributed by the authors for research",
  language: "en",
  form: "a document a sentence and its judgement: the marks of bad ones are not shown",
  division: "in-domain train trains, in-domain dev is validation, out-of-domain dev is test",
  files: () =>
    (
      [
        ["in_domain_train", "train"],
        ["in_domain_dev", "validation"],
        ["out_of_domain_dev", "test"],
      ] as const
    ).map(([file, split]) =>
      sharedFile(
        "cola",
        `${file}.tsv`,
        {
          kind: "tabs",
          text: (row) => {
            const verdict = row.text("1") === "1" ? "acceptable" : "unacceptable";
            return `${row.text("3")}\nJudgement: ${verdict}`;
          },
        },
        { kind: "whole", splits: [split] },
      ),
    ),
};

const XQUAD_LANGUAGES = ["en", "de", "es", "zh"];

function paragraphs(language: string): CorpusFile {
  const text = (row: Row): string => {
    const asked = row.rows("qas").map((qa) => {
      const answers = qa.rows("answers").map((answer) => answer.text("text"));
      return question(qa.text("question"), answers);
    });
    return [row.text("context"), ...asked].join("\n\n");
  };
  // An article's paragraphs stay together, in all languages.
  const group = (row: Row) => row.text("title");
  // Of 32 articles; a twentieth of so few may be none.
  const goes = { kind: "hash" as const, share: 0.125 };
  return sharedFile("xquad", `${language}.jsonl.gz`, { kind: "jsonl", text, group }, goes);
}

const XQUAD: NamedCorpus = {
  name: "xquad",
  source: "Artetxe et al. 2020, XQuAD: Wikipedia paragraphs (google-deepmind/xquad)",
  licence: "CC BY-SA 4.0",
  language: XQUAD_LANGUAGES.join(", "),
  form: "a document a paragraph, its questions and answers after it",
  division: "an eighth of the articles is held out, by the hash of the title",
  files: () => XQUAD_LANGUAGES.map(paragraphs),
  parts: Object.fromEntries(
    XQUAD_LANGUAGES.map((language) => [
      language,
      { language, files: () => [paragraphs(language)] },
    ]),
  ),
};

/** ISO 639-3, as the files are named, to BCP 47. */
const TATOEBA_LANGUAGES: Readonly<Record<string, string>> = {
  deu: "de",
  fra: "fr",
  spa: "es",
  rus: "ru",
  cmn: "zh",
  jpn: "ja",
  nld: "nl",
  ita: "it",
};

function pairs(language: string): CorpusFile {
  const text = (row: Row) => `${row.text("eng")}\n${row.text(language)}`;
  // The same English sentence stands in several files.
  const group = (row: Row) => row.text("eng");
  return sharedFile("tatoeba", `eng-${language}.tsv`, { kind: "table", text, group }, BY_HASH);
}

const TATOEBA: NamedCorpus = {
  name: "tatoeba",
  source: "sentence pairs of tatoeba.org and its contributors (facebookresearch/LASER)",
  licence: "CC BY 2.0 FR: credit tatoeba.org and its contributors",
  language: ["en", ...Object.values(TATOEBA_LANGUAGES)].join(", "),
  form: "a document a pair: the English sentence, then its translation on the next line",
  division: "5 % are held out, by the hash of the English sentence",
  files: () => Object.keys(TATOEBA_LANGUAGES).map(pairs),
  parts: Object.fromEntries(
    Object.entries(TATOEBA_LANGUAGES).map(([name, language]) => [
      name,
      { language: `en, ${language}`, files: () => [pairs(name)] },
    ]),
  ),
};

const OFFENSIVE: NamedCorpus = {
  name: "offensive-language",
  source: "Davidson et al. 2017 (t-davidson/hate-speech-and-offensive-language), a sample",
  licence: "MIT",
  language: "en",
  form: "a document a message and its label",
  division: "5 % are held out, by the hash of the message",
  notice:
    "contains racist, sexist and offensive text; for safety classifiers only, and biased against some dialects",
  files: () => [
    sharedFile(
      "offensive-language",
      "tweets.jsonl.gz",
      {
        kind: "jsonl",
        text: (row) =>
          `${row.text("text")}\nLabel: ${rightOf(row, ["hate", "offensive", "neither"], "label")}`,
        group: (row) => row.text("text"),
      },
      BY_HASH,
    ),
  ],
};

export const TASK_CORPORA: readonly NamedCorpus[] = [
  NLP_TASKS,
  COLA,
  XQUAD,
  TATOEBA,
  OFFENSIVE,
] satisfies readonly CorpusFacts[];

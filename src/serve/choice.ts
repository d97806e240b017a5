/** @file One text of a response, as it comes from the engine: plain, or after its prompt. */

import type { Answer } from "../generate/answer.ts";
import type { FinishReason, Piece } from "../generate/request.ts";

/** One of the texts that a response is made of. */
export interface Choice {
  readonly answer: Answer;
  /** To be read once. */
  readonly pieces: AsyncIterable<Piece>;
  /** Once the pieces have ended. */
  readonly finish: () => { readonly reason: FinishReason; readonly tokens: number };
}

export function plainChoice(answer: Answer): Choice {
  const finish = () => ({ reason: answer.finish.reason, tokens: answer.finish.answerTokens });
  return { answer, pieces: answer, finish };
}

/** The prompt comes first, as a piece of its own text and tokens. */
export function echoChoice(answer: Answer, prompt: string): Choice {
  return { ...plainChoice(answer), pieces: afterPrompt(answer, prompt, true) };
}

/** The prompt and nothing else: what the model thinks of a text. */
export function promptChoice(answer: Answer, prompt: string): Choice {
  const finish = () => ({ reason: "length" as const, tokens: 0 });
  return { answer, pieces: afterPrompt(answer, prompt, false), finish };
}

async function* afterPrompt(
  answer: Answer,
  prompt: string,
  goOn: boolean,
): AsyncGenerator<Piece, void> {
  let told = false;
  for await (const piece of answer) {
    if (!told) yield { text: prompt, tokens: answer.promptTokens };
    told = true;
    if (goOn) yield piece;
  }
  if (!told && !answer.cancelled) yield { text: prompt, tokens: answer.promptTokens };
}

/** A piece of one of several choices, or its end. */
export interface ChoiceEvent {
  readonly index: number;
  readonly choice: Choice;
  /** Undefined at the end of the choice. */
  readonly piece: Piece | undefined;
}

/** Pieces of all choices in the order in which they come. */
export async function* mergeChoices(choices: readonly Choice[]): AsyncGenerator<ChoiceEvent, void> {
  const next = (index: number, choice: Choice, pieces: AsyncIterator<Piece>) =>
    pieces.next().then(({ done, value }) => ({
      index,
      choice,
      pieces,
      piece: done === true ? undefined : (value as Piece),
    }));
  const open = new Map(
    choices.map((choice, index) => [
      index,
      next(index, choice, choice.pieces[Symbol.asyncIterator]()),
    ]),
  );
  while (open.size > 0) {
    const { index, choice, pieces, piece } = await Promise.race(open.values());
    if (piece === undefined) open.delete(index);
    else open.set(index, next(index, choice, pieces));
    yield { index, choice, piece };
  }
}

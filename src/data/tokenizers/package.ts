/**
 * @file What is used of `@huggingface/tokenizers`, with types.
 *
 * The package's own declarations import each other without file endings, which `nodenext` cannot follow.
 */

import * as everything from "@huggingface/tokenizers";

interface PackageClasses {
  readonly Tokenizer: new (
    file: object,
    config: object,
  ) => {
    encode(
      text: string,
      options: { readonly add_special_tokens: boolean },
    ): { readonly ids: readonly (number | undefined)[] };
    decode(
      ids: number[],
      options: {
        readonly skip_special_tokens: boolean;
        readonly clean_up_tokenization_spaces: boolean;
      },
    ): string;
  };
  readonly SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp | null };
}

const classes = everything as unknown as PackageClasses;

export const PackageTokenizer: PackageClasses["Tokenizer"] = classes.Tokenizer;
export const SplitPreTokenizer: PackageClasses["SplitPreTokenizer"] = classes.SplitPreTokenizer;

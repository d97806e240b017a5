/** @file The text of `docs/layers.md`: a row for every declaration of parameters, its axes printed from itself. */

import { formatMarkdown } from "../src/cli/table.ts";
import * as nn from "../src/nn/index.ts";

interface Row {
  /** The exported function that declares the parameters. */
  readonly declares: string;
  /** Functions over these parameters. */
  readonly layers: string;
  readonly params: object;
  /** Whether only the names of the parts are shown: they are layers with rows of their own. */
  readonly parts?: boolean;
  readonly computes: string;
  readonly source: string;
}

const SIZES = { embed: 8, head: 4, dim: 4 } as const;
const T5 = { ...SIZES, positions: "relative-bias" } as const;
const STACK: nn.StackConfig = { layers: 2, attention: SIZES, mlp: 8 };
const WINDOW = { channels: 4, filters: 2, window: [3] };

const ROWS: readonly Row[] = [
  {
    declares: "linearParams",
    layers: "linear",
    params: nn.linearParams({ embed: 8 }, { mlp: 8 }),
    computes: "`x · kernel + bias`, between any axes",
    source: "",
  },
  {
    declares: "embeddingParam",
    layers: "embed, unembed",
    params: nn.embeddingParam(9, 8),
    computes: "rows of a table; logits from the same table",
    source: "",
  },
  {
    declares: "positionEmbeddingParam",
    layers: "addPositions",
    params: nn.positionEmbeddingParam(9, 8),
    computes: "a learnt vector added to each place; `sinusoidalPositions` has no parameters",
    source: "arXiv:1706.03762",
  },
  {
    declares: "rmsNormParam",
    layers: "rmsNorm",
    params: nn.rmsNormParam(8),
    computes: "`x / √(mean x² + ε) · scale`",
    source: "arXiv:1910.07467",
  },
  {
    declares: "layerNormParams",
    layers: "layerNorm",
    params: nn.layerNormParams(8),
    computes: "`(x − mean) / √(variance + ε) · scale + bias`",
    source: "arXiv:1607.06450",
  },
  {
    declares: "channelNormParams",
    layers: "groupNorm, batchNorm, batchNormInference",
    params: nn.channelNormParams(8),
    computes:
      "the same over groups of channels, or over the batch; `batchNormState` is what it has seen",
    source: "arXiv:1803.08494, 1502.03167",
  },
  {
    declares: "attentionParams",
    layers: "causalAttention, bidirectionalAttention, crossAttention, cachedAttention",
    params: nn.attentionParams({
      ...SIZES,
      kvHead: 2,
      positions: "relative-bias",
      biases: "all",
      norms: true,
    }),
    computes:
      "`softmax(q · kᵀ · scale + bias) · v`; all but the first four are there where the config says so",
    source: "arXiv:1706.03762, 2305.13245",
  },
  {
    declares: "positionBiasParam",
    layers: "positionBias",
    params: nn.positionBiasParam(4),
    computes: "a number per head and bucket of distance, causal or in both directions",
    source: "arXiv:1910.10683",
  },
  {
    declares: "gatedFeedForwardParams",
    layers: "gatedFeedForward",
    params: nn.gatedFeedForwardParams(8, 8, { biases: true }),
    computes: "`(f(x·gate) ⊙ x·wi) · wo`: GeGLU, SwiGLU, ReGLU, GLU",
    source: "arXiv:2002.05202",
  },
  {
    declares: "feedForwardParams",
    layers: "feedForward",
    params: nn.feedForwardParams(8, 8, { biases: true }),
    computes: "`f(x·wi) · wo`",
    source: "",
  },
  {
    declares: "convolutionParams",
    layers: "convolution",
    params: nn.convolutionParams(WINDOW),
    computes: "windows of one to three axes: stride, dilation, groups, padding, causal",
    source: "",
  },
  {
    declares: "convolutionTransposeParams",
    layers: "convolutionTranspose",
    params: nn.convolutionTransposeParams(WINDOW),
    computes: "its transpose, from small to large",
    source: "",
  },
  {
    declares: "lstmCellParams",
    layers: "lstmCell, lstm",
    params: nn.lstmCellParams(8, 8),
    computes: "one step, or a loop over a sequence",
    source: "Hochreiter and Schmidhuber (1997)",
  },
  {
    declares: "gruCellParams",
    layers: "gruCell, gru",
    params: nn.gruCellParams(8, 8),
    computes: "one step, or a loop over a sequence",
    source: "arXiv:1406.1078",
  },
  {
    declares: "blockParams",
    layers: "in stacks",
    params: nn.blockParams(STACK, true),
    parts: true,
    computes: "attention and a feed-forward layer, with norms before or after, or side by side",
    source: "arXiv:1706.03762",
  },
  {
    declares: "stackParams",
    layers: "decoderStack, encoderStack, decoderStackStep",
    params: nn.stackParams({ ...STACK, attention: T5, sharedBias: true }),
    parts: true,
    computes: "blocks in one loop, every parameter with an axis `layer`",
    source: "arXiv:1706.03762",
  },
  {
    declares: "encoderDecoderParams",
    layers: "encoderDecoder, startEncoderDecoder, encoderDecoderStep",
    params: nn.encoderDecoderParams({ encoder: STACK, decoder: STACK }),
    parts: true,
    computes: "two stacks, of which the second also looks at the first",
    source: "arXiv:1706.03762, 1910.10683",
  },
];

/** Declarations that have a row. */
export const DECLARED: readonly string[] = ROWS.map(({ declares }) => declares);

/** `query [embed head dim], …` */
function axesOf({ params, parts = false }: Row): string {
  if (parts) return Object.keys(params).join(", ");
  return nn
    .listParams(params)
    .map(({ path, spec }) => `${path === "" ? "" : `${path} `}[${spec.axes}]`)
    .join(", ");
}

export function layersPage(): string {
  const rows = ROWS.map((row) => [
    row.layers
      .split(", ")
      .map((name) => (name in nn ? `\`${name}\`` : name))
      .join(", "),
    `\`${row.declares}\`: ${axesOf(row)}`,
    row.computes,
    row.source,
  ]);
  return `# Layers

Printed from \`test/layers-page.ts\` and the declarations in \`src/nn/\` by \`npx vitest run test/docs.test.ts -u\`; a
test fails when this page is stale, or when a declaration has no row. Sparse layers and routers stand apart.

A layer is a function of its parameters and its input. A declaration says which parameters there are; \`initialise\`
draws them, \`abstractParams\` gives their forms. Nothing is kept inside: state (a cache, running statistics) goes in
and comes out, and what is random takes a key.

${formatMarkdown(["layer", "parameters", "computes", "source"], rows)}

- **Positions**: \`"relative-bias"\` (T5), \`"alibi"\`, \`{ kind: "rotary", theta, fraction, scaling }\` (halves, as in
  Llama; \`linear\` and \`llama3\` scaling), \`"none"\`; or vectors that are added to the embeddings.
- **Packed batches**: \`{ segments, positions }\`. A query sees keys of its own segment only, bit for bit.
- **Decoding**: \`cachedAttention(p, x, cache, at, config)\` takes one position a row or a piece of the prompt, rows at
  places of their own. In any pieces it gives what attention on the whole gives. Only new rows are written.
- **Dropout** (\`dropout\`, and \`{ dropout: { rate, key } }\` of attention) is off without a key.
- **Depth**: \`layered(specs, n)\` stacks declarations along \`layer\`; \`scanLayers\` runs them in one loop, so that the
  program is one layer long; \`checkpoint\` computes each layer again for its derivative.
- **Pipelines**: \`pipeline(stage, weights, x, { stages, microbatches, rounds })\` runs \`[stage, …]\` weights on
  microbatches, one tick after another, as a dimension that a mesh axis may split; \`stagedParams\` declares layers by
  stage, \`bubble\` says which share of the time stages are idle.
- **Mixed precision**: \`precision({ params, compute, output })\` converts at a layer's border. Norms and the softmax of
  attention stay in float32; leave routers and the loss outside. Gradients have the dtype of their parameters.
`;
}

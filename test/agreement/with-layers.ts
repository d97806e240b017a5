/**
 * @file Our counterparts of whole layers of torch.nn and transformers: one line for each in
 * recorded/agreement/with_layers.py. What a line does beside its layer is to lay out the weights.
 */

import { fromData, type Tensor } from "../../src/core/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import * as np from "../../src/numpy/index.ts";
import { type Call, lines, loosely, type Table, type Told } from "./replay.ts";

type Tensors = readonly Tensor[];

/** A matrix `[out, in]` of torch as `[in, out]`. */
const turned = (w: Tensor) => np.transpose(w, [1, 0]);
/** `[head · dim, embed]` as `[embed, head, dim]`. */
const into = (w: Tensor, head: number) =>
  turned(w).reshape([w.dims[1]!, head, w.dims[0]! / head], "embed head dim");
/** `[embed, head · dim]` as `[head, dim, embed]`. */
const outOf = (w: Tensor, head: number) =>
  turned(w).reshape([head, w.dims[1]! / head, w.dims[0]!], "head dim embed");
const biasInto = (b: Tensor, head: number) => b.reshape([head, b.dims[0]! / head], "head dim");
const sequence = (x: Tensor) => x.as("batch pos embed");
const thirds = (x: Tensor): Tensors => np.split(x, 0, Array<number>(3).fill(x.dims[0]! / 3));

/** torch.nn.MultiheadAttention: queries, keys and values in one matrix or three. */
function multihead(head: number, matrices: Tensors, [b, wo, bo]: Tensors): nn.Attention<Tensor> {
  const [query, key, value] = (matrices.length === 1 ? thirds(matrices[0]!) : matrices).map((w) =>
    into(w, head),
  ) as [Tensor, Tensor, Tensor];
  const [queryBias, keyBias, valueBias] = thirds(b!).map((x) => biasInto(x, head)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const output = { output: outOf(wo!, head), outputBias: bo!.as("embed") };
  return { query, key, value, queryBias, keyBias, valueBias, ...output };
}

const TWO: nn.AttentionConfig = { embed: 4, head: 2, dim: 2, biases: "all" };

/** One layer of a stack, as a stack of one. */
const alone = <T extends object>(p: T): T =>
  Object.fromEntries(
    Object.entries(p).map(([k, v]) => [
      k,
      "aval" in v ? np.expandDims(v as Tensor, 0, "layer") : alone(v as object),
    ]),
  ) as T;

const norm = (scale: Tensor, bias?: Tensor): nn.BlockNorm<Tensor> => ({
  scale: scale.as("embed"),
  ...(bias === undefined ? {} : { bias: bias.as("embed") }),
});

/** torch.nn's blocks: `[attention 4, (cross 4), linear 2, linear 2, norms]`. */
function torchBlock(place: "before" | "after", cross: boolean): Call {
  const activation = place === "before" ? "gelu-erf" : "relu";
  const config: nn.StackConfig = {
    layers: 1,
    attention: TWO,
    mlp: 6,
    feedForward: "plain",
    biases: true,
    activation,
    norm: "layer",
    epsilon: 1e-5,
    normPlace: place,
  };
  return (...all) => {
    const inputs = all.slice(0, cross ? 2 : 1).map(sequence) as [Tensor, Tensor];
    const rest = [...all.slice(inputs.length)];
    const attention = () => {
      const [w, ...more] = rest.splice(0, 4);
      return multihead(2, [w!], more);
    };
    const self = attention();
    const looking = cross ? { cross: attention() } : {};
    const [wi, wiBias, wo, woBias] = rest.splice(0, 4) as [Tensor, Tensor, Tensor, Tensor];
    const norms = Array.from({ length: cross ? 3 : 2 }, () => norm(rest.shift()!, rest.shift()!));
    const p: nn.Block<Tensor> = {
      attentionNorm: norms[0]!,
      attention: self,
      ...looking,
      ...(cross ? { crossNorm: norms[1]! } : {}),
      mlpNorm: norms.at(-1)!,
      mlp: {
        wi: turned(wi).as("embed mlp"),
        wiBias: wiBias.as("mlp"),
        wo: turned(wo).as("mlp embed"),
        woBias: woBias.as("embed"),
      },
    };
    const stack = { layers: alone(p) };
    if (!cross) return nn.encoderStack(stack, inputs[0], config);
    // The memory is given: an encoder of no blocks.
    return nn.decoderStack(stack, inputs[0], config, { memory: inputs[1] });
  };
}

/** LlamaDecoderLayer: q, k, v, o, gate, up, down, two norms. */
function llama(kvHead: number, positions: nn.Positions, window?: number): Call {
  const config: nn.StackConfig = {
    layers: 1,
    attention: {
      embed: 8,
      head: 4,
      dim: 4,
      kvHead,
      positions,
      ...(window === undefined ? {} : { window }),
    },
    mlp: 5,
    activation: "silu",
  };
  return (x, q, k, v, o, gate, up, down, first, second) =>
    nn.decoderStack(
      {
        layers: alone({
          attentionNorm: norm(first!),
          attention: {
            query: into(q!, 4),
            key: into(k!, kvHead),
            value: into(v!, kvHead),
            output: outOf(o!, 4),
          },
          mlpNorm: norm(second!),
          mlp: {
            gate: turned(gate!).as("embed mlp"),
            wi: turned(up!).as("embed mlp"),
            wo: turned(down!).as("mlp embed"),
          },
        }),
      },
      sequence(x!),
      config,
    );
}

const LLAMA3: nn.RotaryScaling = {
  kind: "llama3",
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalLength: 16,
};
const SINGLE = "angles and softmax are of single precision there";
const single = (call: Call): Told => loosely(SINGLE, { double: 2e-6, single: 1e-4 }, call);
const list = (numbers: readonly number[]) => np.tensor([...numbers], "float32");

const dense: Table = {
  "layer: linear": (x, w, bias) => nn.linear({ kernel: turned(w!), bias: bias! }, x!),
  "layer: linear without a bias": (x, w) => nn.linear({ kernel: turned(w!) }, x!),
  "layer: embedding": (at, table) => nn.embed(table!, at!),
  "layer: root mean square norm": (x, scale) => nn.rmsNorm(scale!, x!),
  "layer: layer norm": (x, scale, bias) => nn.layerNorm({ scale: scale!, bias: bias! }, x!),
  "layer: group norm": (x, scale, bias) =>
    nn.groupNorm({ scale: scale!, bias: bias! }, x!, { groups: 2 }),
  "layer: batch norm, training": (x, scale, bias, mean, variance) => {
    const state = { mean: mean!, variance: variance! };
    const [y, next] = nn.batchNorm({ scale: scale!, bias: bias! }, x!, state);
    return [y, next.mean, next.variance];
  },
  "layer: batch norm, in use": (x, scale, bias, mean, root) => {
    const state = {
      mean: mean!.stopGradient(),
      variance: root!.square().add(0.5).stopGradient(),
    };
    return nn.batchNormInference({ scale: scale!, bias: bias! }, x!, state);
  },
  "layer: causal convolution, 1-D": (x, kernel, bias) =>
    nn.convolution({ kernel: kernel!, bias: bias! }, x!, {
      padding: "causal",
      dilation: 2,
      groups: 2,
    }),
  "layer: convolution, 2-D, without a bias": (x, kernel) =>
    nn.convolution({ kernel: kernel! }, x!, { stride: 2 }),
  "layer: transposed convolution, 3-D": (x, kernel, bias) =>
    nn.convolutionTranspose({ kernel: kernel!, bias: bias! }, x!, { stride: 2 }),
};

const attention: Table = {
  "layer: attention, both directions": (x, w, ...rest) =>
    nn.bidirectionalAttention(multihead(2, [w!], rest), sequence(x!), TWO),
  "layer: attention, padded keys": (x, w, ...rest) => {
    const mask = fromData("bool", [2, 3], Uint8Array.of(1, 1, 0, 1, 1, 1), "batch mem");
    return nn.bidirectionalAttention(multihead(2, [w!], rest), sequence(x!), TWO, { mask });
  },
  "layer: attention, on another sequence of another width": (x, m, q, k, v, ...rest) =>
    nn.crossAttention(multihead(2, [q!, k!, v!], rest), sequence(x!), sequence(m!), TWO),
  "layer: Qwen 3 attention, biases and norms": single(
    (x, q, bq, k, bk, v, bv, o, bo, queryNorm, keyNorm) =>
      nn.causalAttention(
        {
          query: into(q!, 4),
          queryBias: biasInto(bq!, 4),
          key: into(k!, 2),
          keyBias: biasInto(bk!, 2),
          value: into(v!, 2),
          valueBias: biasInto(bv!, 2),
          output: outOf(o!, 4),
          outputBias: bo!.as("embed"),
          queryNorm: queryNorm!.as("dim"),
          keyNorm: keyNorm!.as("dim"),
        },
        sequence(x!),
        { embed: 8, head: 4, dim: 4, kvHead: 2, positions: { kind: "rotary" }, norms: true },
      ),
  ),
  ...lines(["both", "causal"] as const, (direction) => ({
    [`layer: T5 attention, ${direction === "both" ? "both directions" : direction}`]: single(
      (x, q, k, v, o, table) => {
        const attend = direction === "both" ? nn.bidirectionalAttention : nn.causalAttention;
        return attend(
          {
            query: into(q!, 2),
            key: into(k!, 2),
            value: into(v!, 2),
            output: outOf(o!, 2),
            bias: turned(table!).as("head bucket"),
          },
          sequence(x!),
          { embed: 4, head: 2, dim: 3, positions: "relative-bias", logitScale: 1 },
        );
      },
    ),
    [`layer: T5 buckets, ${direction === "both" ? "both directions" : direction}`]: () =>
      np.tensor(
        // There an offset is mem − pos, and rises.
        Array.from({ length: 601 }, (_, i) => nn.bucketOf(300 - i, direction)),
        "int32",
      ),
  })),
  "layer: BLOOM attention, three heads": single((x, w, b, wo, bo) => {
    // [head, 3, dim] in one matrix.
    const parts = np.split(w!.reshape([3, 3, 2, 6]), 1, [1, 1, 1]);
    const biases = np.split(b!.reshape([3, 3, 2]), 1, [1, 1, 1]);
    const matrix = (i: number) => into(parts[i]!.reshape([6, 6]), 3);
    const bias = (i: number) => biases[i]!.reshape([3, 2], "head dim");
    return nn.causalAttention(
      {
        query: matrix(0),
        key: matrix(1),
        value: matrix(2),
        queryBias: bias(0),
        keyBias: bias(1),
        valueBias: bias(2),
        output: outOf(wo!, 3),
        outputBias: bo!.as("embed"),
      },
      sequence(x!),
      { embed: 6, head: 3, dim: 2, positions: "alibi" },
    );
  }),
  ...lines([1, 8, 12, 20], (heads) => ({
    [`layer: slopes of ${heads} heads`]: loosely(
      "constants of single precision, there too",
      { double: 1e-7 },
      () => list(nn.alibiSlopes(heads)),
    ),
  })),
  ...lines(["", ", Llama 3.1"], (form) => ({
    [`layer: rotary frequencies${form}`]: loosely(SINGLE, { double: 1e-6 }, () => {
      const scaling = { ...LLAMA3, originalLength: 8192 };
      const rotary = { kind: "rotary", theta: 500_000 } as const;
      return list(nn.rotaryFrequencies(form === "" ? rotary : { ...rotary, scaling }, 128));
    }),
  })),
};

const blocks: Table = {
  ...lines(["before", "after"] as const, (place) => ({
    [`layer: encoder block, norms ${place}`]: torchBlock(place, false),
    [`layer: decoder block, norms ${place}`]: torchBlock(place, true),
  })),
  "layer: Llama block": single(llama(4, { kind: "rotary", theta: 100 })),
  "layer: Llama block, grouped": single(llama(2, { kind: "rotary" })),
  "layer: Llama block, one head of keys, a window": single(
    llama(1, { kind: "rotary", theta: 100 }, 3),
  ),
  "layer: Llama block, Llama 3.1's waves": single(
    llama(2, { kind: "rotary", theta: 30, scaling: LLAMA3 }),
  ),
  "layer: Llama block, slower waves": single(
    llama(2, { kind: "rotary", theta: 30, scaling: { kind: "linear", factor: 4 } }),
  ),
  "layer: Phi block, parallel, half of the head turns": single(
    (x, q, bq, k, bk, v, bv, o, bo, w1, b1, w2, b2, scale, bias) =>
      nn.decoderStack(
        {
          layers: alone({
            attentionNorm: norm(scale!, bias!),
            attention: {
              query: into(q!, 2),
              queryBias: biasInto(bq!, 2),
              key: into(k!, 2),
              keyBias: biasInto(bk!, 2),
              value: into(v!, 2),
              valueBias: biasInto(bv!, 2),
              output: outOf(o!, 2),
              outputBias: bo!.as("embed"),
            },
            mlp: {
              wi: turned(w1!).as("embed mlp"),
              wiBias: b1!.as("mlp"),
              wo: turned(w2!).as("mlp embed"),
              woBias: b2!.as("embed"),
            },
          }),
        },
        sequence(x!),
        {
          layers: 1,
          attention: {
            embed: 8,
            head: 2,
            dim: 4,
            positions: { kind: "rotary", fraction: 0.5 },
          },
          mlp: 5,
          feedForward: "plain",
          norm: "layer",
          epsilon: 1e-5,
          parallel: true,
        },
      ),
  ),
  "layer: GPT-2 block": (x, s1, b1, w, b, wo, bo, s2, b2, fc, fcBias, proj, projBias) =>
    nn.decoderStack(
      {
        layers: alone({
          attentionNorm: norm(s1!, b1!),
          // Its matrices stand as ours do.
          attention: multihead(2, [turned(w!)], [b!, turned(wo!), bo!]),
          mlpNorm: norm(s2!, b2!),
          mlp: {
            wi: fc!.as("embed mlp"),
            wiBias: fcBias!.as("mlp"),
            wo: proj!.as("mlp embed"),
            woBias: projBias!.as("embed"),
          },
        }),
      },
      sequence(x!),
      {
        layers: 1,
        attention: TWO,
        mlp: 6,
        feedForward: "plain",
        norm: "layer",
        epsilon: 1e-5,
      },
    ),
};

export const WITH_LAYERS: Table = { ...dense, ...attention, ...blocks };

/** @file Layers. */

export * from "./attention.ts";
export * from "./convolution.ts";
export * from "./ctc.ts";
export * from "./embedding.ts";
export * from "./feed-forward.ts";
export * from "./loss.ts";
export * from "./moe.ts";
export * from "./norm.ts";
export * from "./param.ts";
export * from "./position-bias.ts";
export * from "./recurrent.ts";
export * from "./routing/routing.ts";
export * from "./routing/rules.ts";

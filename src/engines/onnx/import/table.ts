/** @file The table of operators, and what is said when one is missing. */

import { OnnxError, suggestion } from "../../../core/errors.ts";
import { closest } from "../../../core/text.ts";
import type { NodeFile } from "../model-file.ts";
import { ACTIVATION } from "./activation.ts";
import { ATTENTION } from "./attention.ts";
import { CONTROL } from "./control.ts";
import { CONVOLUTION } from "./convolution.ts";
import { ELEMENTWISE, FUNCTIONS } from "./elementwise.ts";
import { HOST } from "./host.ts";
import { INDEXING } from "./indexing.ts";
import { LOSS } from "./loss.ts";
import { MATRIX } from "./matrix.ts";
import { MICROSOFT, RUNTIME } from "./microsoft.ts";
import { NORMALISATION } from "./normalisation.ts";
import type { Operator, Operators } from "./operator.ts";
import { POOL } from "./pool.ts";
import { QUANTISE } from "./quantise.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCE } from "./reduce.ts";
import { RESIZE } from "./resize.ts";
import { SAMPLING } from "./sampling.ts";
import { SEQUENCE } from "./sequence.ts";
import { SHAPE } from "./shape.ts";
import { SIGNAL } from "./signal.ts";

/** The newest version of the standard operators that was read while writing this. */
export const NEWEST_OPSET = 28;

/** Standard operators by family, under the titles of `docs/onnx.md`. */
export const FAMILIES: Readonly<Record<string, Operators>> = {
  "forms and constants": SHAPE,
  "element by element": { ...ELEMENTWISE, ...FUNCTIONS },
  activations: ACTIVATION,
  "reductions and running values": REDUCE,
  "products of matrices": MATRIX,
  normalisation: NORMALISATION,
  "convolution and pooling": { ...CONVOLUTION, ...POOL },
  "resizing and padding": RESIZE,
  "reading between elements": SAMPLING,
  "choosing and writing by index": { ...INDEXING, ...HOST },
  "attention and recurrence": { ...ATTENTION, ...RECURRENT },
  "signal processing": SIGNAL,
  "quantised arithmetic": QUANTISE,
  losses: LOSS,
  "control flow": CONTROL,
  "sequences and optional values": SEQUENCE,
};

const STANDARD: ReadonlyMap<string, Operator> = new Map(
  [...Object.values(FAMILIES), RUNTIME].flatMap((family) => Object.entries(family)),
);
/** Domains with operators here. */
const DOMAINS: ReadonlyMap<string, ReadonlyMap<string, Operator>> = new Map([
  ["", STANDARD],
  ["com.microsoft", new Map(Object.entries(MICROSOFT))],
]);

/** Every operator that can be imported, as `domain:name` or `name`. */
export function operatorNames(): string[] {
  return [...DOMAINS].flatMap(([domain, table]) =>
    [...table.keys()].map((name) => (domain === "" ? name : `${domain}:${name}`)),
  );
}

/** Why an operator cannot be imported; undefined when it can. */
export function missing(node: Pick<NodeFile, "op" | "domain">, opset: number): string | undefined {
  const table = DOMAINS.get(node.domain);
  const operator = table?.get(node.op);
  if (table === undefined) return `operators of the domain "${node.domain}" are not supported`;
  if (operator === undefined) {
    const near = closest(node.op, [...table.keys()]);
    return `${node.op} is not supported${near === undefined ? "" : ` (${suggestion(node.op, [...table.keys()])})`}`;
  }
  if (opset < operator.since) {
    return `${node.op} of opset ${opset} is not supported, only its form from opset ${operator.since} on`;
  }
  return undefined;
}

/** @throws OnnxError when the operator is not supported */
export function operatorOf(node: Pick<NodeFile, "op" | "domain">, opset: number): Operator {
  const why = missing(node, opset);
  const operator = DOMAINS.get(node.domain)?.get(node.op);
  if (why === undefined && operator !== undefined) return operator;
  throw new OnnxError("ONNX-02", `importOnnx: ${why}.`);
}

/** @file Out of memory, told in the user's terms: which values are the largest, and where they are made. */

import { EngineError, type Fact } from "../../core/errors.ts";
import type { Program } from "../../core/program.ts";
import type { Aval } from "../../core/shape.ts";
import { formatBytes } from "../../core/text.ts";
import { simplify } from "../../transforms/simplify.ts";
import { typeText } from "./element-types.ts";
import { lowerWithValues, readLabel } from "./lower.ts";
import { bytesOf } from "./memory.ts";

/** How ONNX Runtime, the C++ library and JavaScript say that there is no more memory. */
const OUT_OF_MEMORY =
  /Failed to allocate memory|bad_alloc|out of memory|Array buffer allocation failed|Invalid typed array length/i;
const SHOWN = 5;

type Form = Pick<Aval, "dtype" | "dims">;

/** The error itself, or what it means when memory ran out. */
export function explainMemory(error: unknown, program: Program): unknown {
  const text = error instanceof Error ? error.message : String(error);
  if (!OUT_OF_MEMORY.test(text)) return error;
  const asked = /buffer of size (\d+)/.exec(text)?.[1];
  return new EngineError("MEMORY-01", `${program.name}: there is not enough memory to run it.`, [
    ...(asked === undefined ? [] : [["asked for", formatBytes(Number(asked))] as const]),
    ...largestValues(program).map(
      ({ form, what }, i): Fact => [
        `largest ${i + 1}`,
        `${formatBytes(bytesOf(form))}: ${typeText(form.dtype, form.dims)}, ${what}`,
      ],
    ),
    ["fix", "use a smaller batch, wrap layers in checkpoint(…), or split what is that large"],
  ]);
}

/** Of what the lowered graph really holds: a broadcast, for example, takes no memory of its own. */
function largestValues(
  program: Program,
): readonly { readonly form: Form; readonly what: string }[] {
  const { graph, values } = lowerWithValues(simplify(program), { labelled: true });
  const inputs = graph.inputs.map((form, i) => ({ form, what: `input ${i + 1}` }));
  const made = graph.nodes.flatMap(({ name, op, outputs }) => {
    const { op: by, line } = readLabel(name);
    const what = `made by ${by}${line === "" ? "" : ` at ${line}`}`;
    // A Reshape shows its operand's memory under other sizes.
    return outputs.flatMap((output) => {
      const form = values.get(output);
      return form === undefined || op === "Reshape" ? [] : [{ form, what }];
    });
  });
  return [...inputs, ...made].sort((a, b) => bytesOf(b.form) - bytesOf(a.form)).slice(0, SHOWN);
}

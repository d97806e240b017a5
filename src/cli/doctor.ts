/** @file `doctor`: what is here, whether it works, and the way out where it does not. */

import { cpus, freemem, totalmem } from "node:os";
import type { Tensor } from "../core/tensor.ts";
import { tensor } from "../core/tensor.ts";
import { formatBytes } from "../core/text.ts";
import { listCorpora } from "../data/corpora/table.ts";
import type { Engine } from "../engines/engine.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { describeTransports } from "../engines/onnx/open.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { einsum, softmax } from "../numpy/index.ts";
import { grad } from "../transforms/vjp.ts";
import { type Command, defineCommand } from "./command.ts";
import { versionText } from "./version.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do about it; empty when it is well. */
  readonly fix: string;
}

export const command: Command = defineCommand({
  name: "doctor",
  summary: "Check this machine: engines, versions, a self-test",
  positionals: [],
  options: {},
  examples: ["meshloom doctor"],

  async run(_options, context) {
    const findings = [...machine(), ...(await engines()), data()];
    if (context.json) context.out(JSON.stringify(findings));
    else {
      for (const { what, ok, detail, fix } of findings) {
        context.out(`${ok ? "ok  " : "BAD "} ${what.padEnd(22)} ${detail}`);
        if (fix !== "") context.out(`     ${"".padEnd(22)} fix: ${fix}`);
      }
    }
    return findings.some(({ what, ok }) => !ok && what === "onnx self-test") ? 1 : 0;
  },
});

function machine(): Finding[] {
  const [cpu] = cpus();
  return [
    { what: "meshloom", ok: true, detail: versionText(false), fix: "" },
    {
      what: "node",
      ok: true,
      detail: `${process.version}, ${process.platform} ${process.arch}`,
      fix: "",
    },
    {
      what: "cpu",
      ok: true,
      detail: `${cpu?.model ?? "unknown"}, ${cpus().length} cores`,
      fix: "",
    },
    {
      what: "memory",
      ok: freemem() > 2 ** 30,
      detail: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
      fix: freemem() > 2 ** 30 ? "" : "close other programs; training glam-nano takes about 1 GiB",
    },
  ];
}

async function engines(): Promise<Finding[]> {
  const transports = await describeTransports();
  const found = transports.map(
    ({ name, ok, detail, fix }): Finding => ({
      what: `onnx over ${name}`,
      ok,
      detail,
      fix: fix ?? "",
    }),
  );
  const reference = await selfTest("reference", async () => referenceEngine);
  const onnx = await selfTest("onnx", () => createOnnxEngine());
  return [...found, reference, onnx];
}

/** A gradient through a product and a softmax, against the number worked out by hand. */
async function selfTest(name: string, open: () => Promise<Engine>): Promise<Finding> {
  const what = `${name} self-test`;
  try {
    const loss = (w: Tensor, x: Tensor) =>
      softmax(einsum("i k, k j -> i j", x, w), "j")
        .slice("j", 0, 1)
        .sum();
    const slope = await jit(grad(loss), { engine: await open() })(tensor([[0, 0]]), tensor([[2]]));
    // p = 1/2, so d p₀ / d w₀ = 2 · p (1 − p) = 1/2
    const value = Number(slope.data()[0]);
    const ok = Math.abs(value - 0.5) < 1e-6;
    return {
      what,
      ok,
      detail: ok ? "a gradient came out right" : `a gradient came out as ${value}, expected 0.5`,
      fix: ok ? "" : "please report this with the lines above",
    };
  } catch (error) {
    const [line = "failed"] = `${error instanceof Error ? error.message : error}`.split("\n");
    return { what, ok: false, detail: line, fix: "see the lines about its transports above" };
  }
}

function data(): Finding {
  return {
    what: "corpora",
    ok: true,
    detail: listCorpora()
      .map(({ name }) => name)
      .join(", "),
    fix: "",
  };
}

/**
 * @file The page: starts the worker and shows what it reports.
 *
 * `?steps=600&seed=1&transport=webgpu&threads=2` in the address changes the run.
 */

import { lineChart } from "../../src/plot/line-chart.ts";
import { PAGE_STYLE } from "../../src/plot/page-style.ts";
import { escapeText } from "../../src/plot/svg.ts";
import type { Attempt } from "./sort.ts";
import type { Order, Report } from "./worker.ts";

const SHOWN = 8;
/** Steps over which the rate is taken. */
const WINDOW = 50;

const query = new URLSearchParams(location.search);
const order: Order = {
  transport: query.get("transport") === "webgpu" ? "webgpu" : "wasm",
  steps: Math.max(1, Number(query.get("steps") ?? 600) || 600),
  seed: Number(query.get("seed") ?? 1) || 0,
  threads: Number(query.get("threads") ?? 0) || 0,
};

/** All that is shown; also `meshloomRun` in the console. */
const run = {
  state: "loading" as "loading" | "training" | "done" | "failed",
  version: "",
  parameters: 0,
  losses: [] as number[],
  /** Milliseconds of each step. */
  times: [] as number[],
  attempts: [] as readonly Attempt[],
  /** From the start of the page to the end of the first step, in milliseconds. */
  firstStep: 0,
  message: "",
};
Object.assign(globalThis, { meshloomRun: run });

function take(report: Report): void {
  switch (report.kind) {
    case "engine":
      run.version = report.version;
      run.parameters = report.parameters;
      break;
    case "step":
      if (run.losses.length === 0) run.firstStep = performance.now();
      run.state = "training";
      run.losses.push(report.loss);
      run.times.push(report.milliseconds);
      break;
    case "attempts":
      run.attempts = report.attempts;
      break;
    case "done":
      run.state = "done";
      break;
    case "error":
      run.state = "failed";
      run.message = report.message;
  }
  soon(draw);
}

/** Draws at most once per frame, and also where no frame comes, as in a hidden tab. */
let asked = false;
function soon(f: () => void): void {
  if (asked) return;
  asked = true;
  setTimeout(() => {
    asked = false;
    f();
  }, 16);
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

function draw(): void {
  element("facts").innerHTML = facts()
    .map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeText(value)}</dd></div>`)
    .join("");
  element("progress").setAttribute("value", `${run.losses.length / order.steps}`);
  element("chart").innerHTML = chart();
  element("lists").innerHTML = run.attempts.slice(0, SHOWN).map(row).join("");
  element("score").textContent = score();
  if (run.state === "failed") {
    element("error").hidden = false;
    element("error").querySelector("pre")?.append(run.message);
  }
  if (run.state === "done" || run.state === "failed") element("again").innerHTML = again();
  document.body.dataset["state"] = run.state;
}

function facts(): readonly (readonly [name: string, value: string])[] {
  const recent = run.times.slice(1).slice(-WINDOW);
  const mean = recent.reduce((sum, x) => sum + x, 0) / recent.length;
  const where = { wasm: "WebAssembly", webgpu: "WebGPU" }[order.transport];
  const loss = run.losses.at(-1);
  return [
    [`Engine, ONNX Runtime ${run.version}`, run.version === "" ? "loading" : where],
    ["Parameters", run.parameters === 0 ? "…" : run.parameters.toLocaleString("en")],
    ["Step", run.losses.length === 0 ? "compiling" : `${run.losses.length} of ${order.steps}`],
    ["Loss, nats per digit", loss === undefined ? "…" : loss.toFixed(4)],
    ["Speed", recent.length === 0 ? "…" : `${(1000 / mean).toFixed(mean > 100 ? 1 : 0)} steps per second`],
  ];
}

function chart(): string {
  return lineChart({
    label: "Loss over the steps of the training",
    width: Math.min(640, element("chart").clientWidth || 640), // on a phone its letters would shrink with it
    height: 340,
    yTitle: "nats per digit",
    range: [0, order.steps],
    lines: [
      {
        name: "training",
        points: run.losses.map((value, x) => ({ x, value })),
        style: "smoothed",
      },
    ],
    log: true,
  });
}

function row({ list, guess, sorted }: Attempt): string {
  const digits = guess.map(
    (digit, i) => `<span class="${digit === sorted[i] ? "right" : "wrong"}">${digit}</span>`,
  );
  return `<tr><td>${list.join(" ")}</td><td>→</td><td>${digits.join(" ")}</td></tr>`;
}

function score(): string {
  if (run.state !== "done") return "Underlined digits are wrong.";
  const right = run.attempts.filter(({ guess, sorted }) => guess.every((x, i) => x === sorted[i]));
  return `After ${order.steps} steps it sorts ${right.length} of ${run.attempts.length} lists without a fault.`;
}

function again(): string {
  const other = order.transport === "wasm" ? "webgpu" : "wasm";
  const link = (text: string, change: Readonly<Record<string, string>>) =>
    `<a href="?${escapeText(new URLSearchParams({ ...Object.fromEntries(query), ...change }).toString())}">${text}</a>`;
  const otherWay = other === "wasm" || "gpu" in navigator;
  return [
    link("Train again with another seed", { seed: `${order.seed + 1}` }),
    otherWay ? link(`Train on ${other === "wasm" ? "WebAssembly" : "WebGPU"}`, { transport: other }) : "",
  ].join("");
}

document.head.append(Object.assign(document.createElement("style"), { textContent: PAGE_STYLE }));
draw();
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
worker.addEventListener("message", ({ data }: MessageEvent<Report>) => take(data));
worker.addEventListener("error", ({ message }) => take({ kind: "error", message }));
worker.postMessage(order);

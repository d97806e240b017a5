/** @file Counts and latencies in the text form that Prometheus reads. */

import type { ServedModel } from "./served-model.ts";

/** Upper bounds in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** Durations, counted by size. */
class Histogram {
  readonly #counts = BOUNDS.map(() => 0);
  #count = 0;
  #sum = 0;

  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    for (const [i, bound] of BOUNDS.entries())
      if (seconds <= bound) this.#counts[i] = (this.#counts[i] ?? 0) + 1;
  }

  /** Mean in seconds; NaN before the first. */
  get mean(): number {
    return this.#sum / this.#count;
  }

  lines(name: string): string[] {
    return [
      ...BOUNDS.map((bound, i) => `${name}_bucket{le="${bound}"} ${this.#counts[i] ?? 0}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

export class ServeMetrics {
  readonly firstToken: Histogram = new Histogram();
  readonly duration: Histogram = new Histogram();
  readonly #requests = new Map<string, number>();

  /** Counts an answered request by its path and status. */
  request(path: string, status: number): void {
    const labels = `path="${path}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** @param open - requests whose answers are not yet on their way whole */
  text({ engine }: Pick<ServedModel, "engine">, open: number): string {
    const { counters, running, waiting } = engine;
    const metric = (name: string, type: string, help: string, lines: readonly string[]) => [
      `# HELP meshloom_${name} ${help}`,
      `# TYPE meshloom_${name} ${type}`,
      ...lines,
    ];
    const one = (name: string, type: string, help: string, value: number) =>
      metric(name, type, help, [`meshloom_${name} ${value}`]);
    const requests = [...this.#requests].map(
      ([labels, count]) => `meshloom_requests_total{${labels}} ${count}`,
    );
    return `${[
      ...metric("requests_total", "counter", "Requests answered.", requests),
      ...one("requests_open", "gauge", "Requests not yet answered whole.", open),
      ...one("texts_running", "gauge", "Texts being read or written.", running),
      ...one("texts_waiting", "gauge", "Texts waiting for a slot.", waiting),
      ...one("texts_finished_total", "counter", "Texts written to their end.", counters.finished),
      ...one("texts_cancelled_total", "counter", "Texts nobody waited for.", counters.cancelled),
      ...one("texts_failed_total", "counter", "Texts ended by an error.", counters.failed),
      ...one("prompt_tokens_total", "counter", "Tokens of prompts.", counters.promptTokens),
      ...one(
        "prompt_tokens_reused_total",
        "counter",
        "Tokens of prompts that were known from earlier ones.",
        counters.reusedTokens,
      ),
      ...one("answer_tokens_total", "counter", "Tokens written.", counters.answerTokens),
      ...one("steps_total", "counter", "Steps of the batch.", counters.steps),
      ...metric(
        "first_token_seconds",
        "histogram",
        "Seconds from a request to its first text.",
        this.firstToken.lines("meshloom_first_token_seconds"),
      ),
      ...metric(
        "request_seconds",
        "histogram",
        "Seconds from a request to the end of its answer.",
        this.duration.lines("meshloom_request_seconds"),
      ),
      ...one("resident_bytes", "gauge", "Memory of the process.", process.memoryUsage.rss()),
    ].join("\n")}\n`;
  }
}

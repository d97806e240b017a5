import { expect, test } from "vitest";
import { createProgress, type Progress, type ProgressOptions } from "./progress.ts";

interface Rig {
  readonly progress: Progress;
  readonly written: string[];
  readonly wait: (ms: number) => void;
}

/** Control characters by name: snapshots take a carriage return for a line feed. */
function visible(text: string): string {
  return text
    .replaceAll("\r", "<start>")
    .replaceAll("\n", "<end>")
    .replaceAll("\u001b[K", "<clear>")
    .replaceAll("\u001b", "<esc>");
}

function rig(changes: Partial<ProgressOptions>): Rig {
  const written: string[] = [];
  let time = 0;
  const progress = createProgress({
    total: 100,
    unit: "steps",
    interactive: true,
    color: false,
    columns: () => 80,
    write: (text) => written.push(visible(text)),
    now: () => time,
    ...changes,
  });
  return {
    progress,
    written,
    wait: (ms) => {
      time += ms;
    },
  };
}

test("a terminal gets one line, redrawn in place", () => {
  const { progress, written, wait } = rig({});
  wait(9000);
  progress.update(1, { loss: "4.21" });
  wait(500);
  progress.update(2, { loss: "4.20", "tokens/s": "1.2K" });
  wait(500);
  progress.note("saved runs/one/2");
  progress.finish("done");
  progress.update(3);
  progress.finish("done");
  expect(written).toMatchInlineSnapshot(`
    [
      "<start>[........................]   1/100 steps  loss 4.21<clear>",
      "<start>[............]   2/100 steps  2 steps/s  49s left  loss 4.20  tokens/s 1.2K<clear>",
      "<start><clear>saved runs/one/2<end>[............]   2/100 steps  2 steps/s  49s left  loss 4.20  tokens/s 1.2K",
      "<start><clear>done<end>",
    ]
  `);
});

test("a terminal gets at most ten redraws a second, and the last", () => {
  const { progress, written, wait } = rig({ total: 1000 });
  for (let step = 1; step <= 1000; step++) {
    progress.update(step);
    wait(1);
  }
  expect(written.length).toBeLessThanOrEqual(11);
  expect(written.at(-1)).toMatchInlineSnapshot(
    `"<start>[########################] 1000/1000 steps  1K steps/s<clear>"`,
  );
});

test("a narrow terminal gets a short bar, no bar, a line cut short of its last column", () => {
  let columns = 80;
  const { progress, written, wait } = rig({ columns: () => columns });
  for (columns of [0, 40, 30, 20]) {
    progress.update(50, { loss: "4.21" });
    wait(200);
  }
  expect(written).toMatchInlineSnapshot(`
    [
      "<start>[############............]  50/100 steps  loss 4.21<clear>",
      "<start>[######......]  50/100 steps  loss 4.21<clear>",
      "<start> 50/100 steps  loss 4.21<clear>",
      "<start> 50/100 steps  loss<clear>",
    ]
  `);
});

test("colour is on the bar alone", () => {
  const { progress, written } = rig({ color: true });
  progress.update(50);
  expect(written).toMatchInlineSnapshot(`
    [
      "<start>[<esc>[32m############<esc>[39m............]  50/100 steps<clear>",
    ]
  `);
});

test("NO_COLOR turns colour off", () => {
  const before = process.env["NO_COLOR"];
  process.env["NO_COLOR"] = "1";
  try {
    const written: string[] = [];
    const write = (text: string) => written.push(visible(text));
    const columns = () => 80;
    const now = () => 0;
    createProgress({ total: 4, unit: "steps", interactive: true, write, now, columns }).update(2);
    expect(written).toMatchInlineSnapshot(`
      [
        "<start>[############............] 2/4 steps<clear>",
      ]
    `);
  } finally {
    if (before === undefined) delete process.env["NO_COLOR"];
    else process.env["NO_COLOR"] = before;
  }
});

test("a log gets plain lines, sparser and sparser", () => {
  const { progress, written, wait } = rig({ interactive: false, total: 300 });
  const times: number[] = [];
  for (let second = 1; second <= 300; second++) {
    wait(1000);
    const before = written.length;
    progress.update(second, { loss: "4.21" });
    if (written.length > before) times.push(second);
  }
  progress.note("saved");
  progress.finish("done: 300 steps");
  expect(times).toEqual([1, 2, 3, 4, 6, 10, 18, 34, 64, 94, 124, 154, 184, 214, 244, 274, 300]);
  expect(written.join("")).not.toMatch(/<start>|<esc>|<clear>/);
  expect([...written.slice(0, 4), ...written.slice(-3)]).toMatchInlineSnapshot(`
    [
      "  1/300 steps  loss 4.21<end>",
      "  2/300 steps  1 steps/s  4m58s left  loss 4.21<end>",
      "  3/300 steps  1 steps/s  4m57s left  loss 4.21<end>",
      "  4/300 steps  1 steps/s  4m56s left  loss 4.21<end>",
      "300/300 steps  1 steps/s  loss 4.21<end>",
      "saved<end>",
      "done: 300 steps<end>",
    ]
  `);
});

test("time left leaves out compiling and follows the present pace", () => {
  const { progress, written, wait } = rig({ total: 1000 });
  progress.update(0);
  wait(60_000);
  progress.update(1);
  for (let step = 2; step <= 100; step++) {
    wait(1000);
    progress.update(step);
  }
  expect(written.at(-1)).toContain("1 steps/s  15m00s left");
  for (let step = 101; step <= 300; step++) {
    wait(250);
    progress.update(step);
  }
  expect(written.at(-1)).toContain("4 steps/s  2m55s left");
});

test("steps slower than the window still have a rate", () => {
  const { progress, written, wait } = rig({ total: 10 });
  for (let step = 1; step <= 6; step++) {
    progress.update(step);
    if (step < 6) wait(40_000);
  }
  expect(written.at(-1)).toContain("0.025 steps/s  2m40s left");
});

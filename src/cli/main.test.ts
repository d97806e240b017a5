import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ConfigError, DataError } from "../core/errors.ts";
import { type Command, type CommandContext, type CommandResult, defineCommand } from "./command.ts";
import { type CommandEntry, type CommandList, dispatch } from "./dispatch.ts";
import type { Host } from "./host.ts";
import { COMMANDS, main } from "./main.ts";

type Work = (context: CommandContext) => CommandResult;

type StopCause = "signal" | "closed";

interface FakeHost {
  readonly host: Host;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exits: readonly number[];
  readonly stop: (cause?: StopCause) => void;
  readonly wait: (ms: number) => void;
  readonly listeners: Readonly<Record<StopCause, ReadonlySet<unknown>>>;
}

function fakeHost(changes: Partial<Host> = {}): FakeHost {
  const out: string[] = [];
  const err: string[] = [];
  const exits: number[] = [];
  const listeners = { signal: new Set<() => void>(), closed: new Set<() => void>() };
  const on = (cause: StopCause) => (listener: () => void) => {
    listeners[cause].add(listener);
    return () => listeners[cause].delete(listener);
  };
  let time = 0;
  const host: Host = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    interactive: false,
    outIsTerminal: false,
    columns: 80,
    env: {},
    now: () => time,
    exit: (code) => exits.push(code),
    onSignal: on("signal"),
    onClosed: on("closed"),
    ...changes,
  };
  return {
    host,
    stdout: () => out.join(""),
    stderr: () => err.join(""),
    exits,
    stop: (cause = "signal") => {
      for (const listener of listeners[cause]) listener();
    },
    wait: (ms) => {
      time += ms;
    },
    listeners,
  };
}

function commandsThat(work: Work): CommandList {
  const command: Command = defineCommand({
    name: "work",
    summary: "Do the work",
    positionals: [],
    options: { size: { type: "int", default: 1, help: "how much" } },
    examples: ["meshloom work --size 2"],
    run: (_, context) => work(context),
  });
  return {
    work: { summary: "Do the work", load: async () => ({ command }) },
    heavy: { summary: "Never loaded here", load: () => Promise.reject(new Error("loaded")) },
  };
}

async function run(line: string, work: Work, fake: FakeHost): Promise<number> {
  const argv = line === "" ? [] : line.split(" ");
  const version = (json: boolean) => (json ? `{"version":"1"}` : "meshloom 1");
  const code = await dispatch(argv, { commands: commandsThat(work), host: fake.host, version });
  expect([fake.listeners.signal.size, fake.listeners.closed.size]).toEqual([0, 0]);
  return code;
}

const idle: Work = async () => undefined;

describe("finding a command", () => {
  test("the list needs no loading", async () => {
    const fake = fakeHost();
    expect(await run("--help", idle, fake)).toBe(0);
    expect(fake.stderr()).toBe("");
    expect(fake.stdout()).toMatchInlineSnapshot(`
      "Usage: meshloom <command> [options]

      Commands:
        work       Do the work
        heavy      Never loaded here

      Options:
        --help     show this text; after a command, that command's options
        --version  show the version, and the commit in a checkout
      "
    `);
  });

  test("no command at all is a mistake", async () => {
    const fake = fakeHost();
    expect(await run("", idle, fake)).toBe(2);
    expect(fake.stdout()).toBe("");
    expect(fake.stderr()).toContain("Usage: meshloom <command> [options]");
  });

  test("--help and --version", async () => {
    const fake = fakeHost();
    expect(await run("work --size --help", idle, fake)).toBe(0);
    expect(await run("--version", idle, fake)).toBe(0);
    expect(await run("--version --json", idle, fake)).toBe(0);
    expect(fake.stdout()).toMatchInlineSnapshot(`
      "Usage: meshloom work [options]

      Do the work.

      Options:
        --size <int>  how much (default 1)
        --json        print results as JSON, one value a line
        --help        show this text

      Example:
        meshloom work --size 2
      meshloom 1
      {"version":"1"}
      "
    `);
  });

  test("unknown words", async () => {
    const fake = fakeHost();
    expect(await run("wrk", idle, fake)).toBe(2);
    expect(await run("toString", idle, fake)).toBe(2);
    expect(await run("--size 3 work", idle, fake)).toBe(2);
    expect(fake.stdout()).toBe("");
    expect(fake.stderr()).toMatchInlineSnapshot(`
      "meshloom: unknown command "wrk".
        fix    did you mean "work"?
        all    meshloom --help    [USAGE-01]
      meshloom: unknown command "toString".
        fix    one of: work, heavy
        all    meshloom --help    [USAGE-01]
      meshloom: unknown option "--size" before the command.
        fix           options come after the command: meshloom <command> [options]
        known here    --help, --version    [USAGE-01]
      "
    `);
  });
});

describe("running", () => {
  test("results go to stdout, notices to stderr, the code comes back", async () => {
    const fake = fakeHost();
    const code = await run(
      "work",
      async ({ out, log }) => {
        out("result");
        log("notice");
        return 1;
      },
      fake,
    );
    expect([code, fake.stdout(), fake.stderr()]).toEqual([1, "result\n", "notice\n"]);
  });

  test("lines clear the progress line on a shared terminal", async () => {
    const fake = fakeHost({ interactive: true, outIsTerminal: true });
    await run(
      "work",
      async ({ out, log, write }) => {
        write("\r50%");
        out("result");
        log("notice");
        return undefined;
      },
      fake,
    );
    expect(fake.stderr()).toBe("\r50%\r\u001b[K\r\u001b[Knotice\n");
  });
});

describe("errors", () => {
  const fail =
    (error: unknown): Work =>
    () =>
      Promise.reject(error);

  test("ours show their message alone", async () => {
    const fake = fakeHost();
    const error = new DataError("DATA-01", "read: no such file.", [["file", "a.txt"]]);
    expect(await run("work", fail(error), fake)).toBe(1);
    expect(fake.stderr()).toBe("read: no such file.\n  file    a.txt    [DATA-01]\n");
    expect(await run("work --size x", idle, fake)).toBe(2);
    expect(await run("work", fail(new ConfigError("CONFIG-01", "config: no.")), fake)).toBe(2);
  });

  test("MESHLOOM_DEBUG=1 adds the stack", async () => {
    const fake = fakeHost({ env: { MESHLOOM_DEBUG: "1" } });
    expect(await run("work", fail(new DataError("DATA-01", "read: no.")), fake)).toBe(1);
    expect(fake.stderr()).toMatch(/^DataError: read: no\. \[DATA-01\]\n {4}at /);
  });

  test("others show a stack and ask for a report", async () => {
    const fake = fakeHost();
    expect(await run("work", fail(new TypeError("x is not a function")), fake)).toBe(1);
    expect(await run("work", fail("thrown text"), fake)).toBe(1);
    const text = fake.stderr().replace(/^ {4}at .*\n/gm, "");
    expect(text).toMatchInlineSnapshot(`
      "meshloom: unexpected error, a bug in meshloom.
      TypeError: x is not a function
      Please report it with the lines above and the output of: meshloom --version
      meshloom: unexpected error, a bug in meshloom.
      thrown text
      Please report it with the lines above and the output of: meshloom --version
      "
    `);
  });

  test("are one line on stdout with --json", async () => {
    const fake = fakeHost();
    await run("work --json", fail(new DataError("DATA-01", "read: no.")), fake);
    await run("work --json", fail(new TypeError("x")), fake);
    await run("work --jsn --json", idle, fake);
    expect(fake.stdout()).toMatchInlineSnapshot(`
      "{"error":{"code":"DATA-01","message":"read: no. [DATA-01]"}}
      {"error":{"code":"INTERNAL","message":"x"}}
      {"error":{"code":"USAGE-01","message":"work: unknown option \\"--jsn\\".\\n  fix    did you mean \\"--json\\"?\\n  all    meshloom work --help    [USAGE-01]"}}
      "
    `);
  });
});

describe("interruption", () => {
  test("of a command that does not look at the signal is left to the system", async () => {
    const fake = fakeHost();
    await run(
      "work",
      async () => {
        expect(fake.listeners.signal.size).toBe(0);
        fake.stop("closed");
        return undefined;
      },
      fake,
    );
    expect(fake.exits).toEqual([0]);
  });

  test("lets a command that looks at the signal finish", async () => {
    const fake = fakeHost();
    const code = await run(
      "work",
      async ({ signal, out }) => {
        fake.stop();
        out(`saved ${signal.aborted}`);
        return undefined;
      },
      fake,
    );
    expect([code, fake.exits, fake.stdout()]).toEqual([0, [], "saved true\n"]);
    expect(fake.stderr()).toBe("meshloom: stopping; press Ctrl-C again to quit at once\n");
  });

  test("asked for twice ends at once, but npm's echo of one Ctrl-C does not count", async () => {
    const fake = fakeHost();
    await run(
      "work",
      async ({ signal }) => {
        expect(signal.aborted).toBe(false);
        fake.stop();
        fake.wait(20);
        fake.stop();
        expect(fake.exits).toEqual([]);
        fake.wait(1000);
        fake.stop();
        return undefined;
      },
      fake,
    );
    expect(fake.exits).toEqual([130]);
  });

  test("that cuts a command short is 130, quietly", async () => {
    const fake = fakeHost();
    const work: Work = async ({ signal }) => {
      fake.stop();
      signal.throwIfAborted();
      return undefined;
    };
    expect(await run("work", work, fake)).toBe(130);
    expect(fake.stderr()).not.toContain("unexpected");
  });

  test("a failure while stopping is still a failure", async () => {
    const fake = fakeHost();
    const work: Work = async ({ signal }) => {
      expect(signal.aborted).toBe(false);
      fake.stop();
      throw new DataError("DATA-01", "save: no.");
    };
    expect(await run("work", work, fake)).toBe(1);
  });

  test("a reader that went away ends quietly with 0", async () => {
    const fake = fakeHost();
    const work: Work = async ({ signal }) => {
      fake.stop("closed");
      fake.stop("closed");
      signal.throwIfAborted();
      return undefined;
    };
    expect(await run("work", work, fake)).toBe(0);
    expect(fake.stderr()).toBe("");
  });
});

/** Every command with its whole name. */
function allCommands(list: CommandList, path = ""): (readonly [string, CommandEntry])[] {
  return Object.entries(list).flatMap(([word, entry]) => {
    const { summary, load } = entry;
    return [
      ...(load === undefined ? [] : [[`${path}${word}`, { summary, load }] as const]),
      ...("commands" in entry ? allCommands(entry.commands, `${path}${word} `) : []),
    ];
  });
}

describe("the real list", () => {
  test.each(allCommands(COMMANDS))(
    "%s says the same in the list and in its file",
    async (name, entry) => {
      const { command } = await entry.load();
      expect(command.name).toBe(name);
      expect(command.summary).toBe(entry.summary);
      expect(command.examples[0]).toMatch(new RegExp(`^meshloom ${name}( |$)`));
    },
  );

  test("has every file that defines a command", async () => {
    const folder = fileURLToPath(new URL(".", import.meta.url));
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (name) =>
        /^[a-z/-]+\.ts$/.test(name) &&
        /^export const command: Command/m.test(readFileSync(join(folder, name), "utf8")),
    );
    const names = allCommands(COMMANDS).map(([name]) => `${name.replace(" ", "/")}.ts`);
    expect(files.toSorted()).toEqual(names.toSorted());
  });

  test("a group without a command shows its commands, but not those that serve others", async () => {
    const fake = fakeHost();
    expect(await main(["bench"], fake.host)).toBe(2);
    expect(fake.stderr()).toContain("Usage: meshloom bench <command> [options]");
    expect(fake.stderr()).not.toContain("runner");
    const asked = fakeHost();
    expect(await main(["bench", "--help"], asked.host)).toBe(0);
    expect(asked.stdout()).toBe(fake.stderr());
  });

  test("a word may be a command and have commands below it", async () => {
    const asked = fakeHost();
    expect(await main(["data", "--help"], asked.host)).toBe(0);
    expect(asked.stdout()).toContain("Usage: meshloom data [<corpus>] [options]");
    expect(asked.stdout()).toMatch(/Commands:\n {2}meshloom data fetch {2}/);
    const below = fakeHost();
    expect(await main(["data", "fetch", "--help"], below.host)).toBe(0);
    expect(below.stdout()).toContain("Usage: meshloom data fetch");
    const corpus = fakeHost();
    expect(await main(["data", "no-such-corpus"], corpus.host)).toBe(1);
    expect(corpus.stderr()).toContain("no-such-corpus");
  });

  test("a word that is no command of a group is named with the nearest", async () => {
    const fake = fakeHost();
    expect(await main(["bench", "stp"], fake.host)).toBe(2);
    expect(fake.stderr()).toContain('meshloom bench: unknown command "stp".');
    expect(fake.stderr()).toContain('did you mean "step"?');
  });

  test("main answers from it", async () => {
    const fake = fakeHost();
    expect(await main(["--version"], fake.host)).toBe(0);
    expect(fake.stdout()).toMatch(
      /^meshloom \d+\.\d+\.\d+( \([0-9a-f]{7,}, \d{4}-\d\d-\d\d\))?\n$/,
    );
  });
});

test("bin/meshloom.js runs the sources", () => {
  const bin = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [bin, "trin", "--json"], {
    encoding: "utf8",
  });
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "USAGE-01" } });
  expect(stderr).toMatchInlineSnapshot(`
    "meshloom: unknown command "trin".
      fix    did you mean "train"?
      all    meshloom --help    [USAGE-01]
    "
  `);
  expect(status).toBe(2);
});

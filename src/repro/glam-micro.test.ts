import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError } from "../core/errors.ts";
import { reproduceGlamMicro } from "./glam-micro.ts";

test("a folder that was begun with other settings is left as it is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meshloom-repro-"));
  try {
    const begun = { steps: 40, seed: 0, threads: 2 };
    await writeFile(join(folder, "settings.json"), JSON.stringify(begun));
    const error = await reproduceGlamMicro({
      ...begun,
      ...{ folder, seed: 1, python: undefined, signal: new AbortController().signal },
      onNotice: () => {},
    }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toContain('{"steps":40,"seed":0,"threads":2}');
    expect(await readdir(folder)).toEqual(["settings.json"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

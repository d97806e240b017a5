import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "../command.ts";
import { captureContext } from "../context.ts";
import { command } from "./fetch.ts";

const TABLE = "mjd,x_arcsec,y_arcsec,lod_s\n37665,0.1,0.2,0.0017\n37666,0.1,0.2,0.0016\n";

test("data fetch says what came, and how to cite it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-data-fetch-"));
  const server = createServer((_, reply) => reply.end(TABLE));
  try {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/c04`;
    const words = ["iers", "--only", "c04", "--folder", folder, "--address", address];
    const plain = captureContext();
    expect(await runCommand(command, words, plain.context)).toBe(0);
    expect(plain.outLines.join("\n")).toContain(join(folder, "eopc04.1962-now"));
    expect(plain.outLines.join("\n")).toMatch(/new +70 B +2 rows +1962-01-01 to 1962-01-02/);
    expect(plain.logLines.join("\n")).toContain("Bizouard et al. 2019");
    const json = captureContext({ json: true });
    expect(await runCommand(command, words, json.context)).toBe(0);
    expect(JSON.parse(json.outLines[0] ?? "")).toMatchObject({
      name: "c04",
      state: "same",
      rows: 2,
    });
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});

test("data fetch names records that are none, and options of one record for several", async () => {
  const run = (...words: string[]) =>
    runCommand(command, ["iers", ...words], captureContext().context);
  await expect(run("--only", "c4")).rejects.toThrow('did you mean "c04"?');
  await expect(run("--sha256", "00")).rejects.toThrow("--sha256 and --address are of one record");
});

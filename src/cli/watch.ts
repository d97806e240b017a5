/** @file `watch`: a page in the browser that follows a run. */

import { randomBytes } from "node:crypto";
import { readReport } from "../train/report/read-report.ts";
import { startWatching } from "../watch/server.ts";
import { type Command, defineCommand } from "./command.ts";

export const command: Command = defineCommand({
  name: "watch",
  summary: "Follow a run in the browser while it trains",
  positionals: [{ name: "run", help: "folder that `train` writes", required: true }],
  options: {
    port: { type: "int", default: 0, min: 0, max: 65_535, help: "0 for any free one" },
  },
  examples: ["meshloom watch runs/one", "meshloom watch runs/one --port 8090"],

  async run({ run, port }, context) {
    // A wrong folder is said here, not in the browser.
    await readReport(run);
    const token = randomBytes(16).toString("base64url");
    const { signal } = context;
    const server = await startWatching({ folder: run, token }, port);
    context.out(context.json ? JSON.stringify({ url: server.url }) : server.url);
    context.log("open it in a browser on this machine; Ctrl-C ends the page, not the run");
    if (!signal.aborted)
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), { once: true }),
      );
    await server.close();
  },
});

/** @file The web application behind `watch`: one page, its body, and a stream of what is new. */

import { randomBytes } from "node:crypto";
import { basename, resolve } from "node:path";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { formatSeconds } from "../core/text.ts";
import { sameText } from "../serve/access.ts";
import { reportBody } from "../train/report/report.ts";
import { livePage } from "./live-page.ts";
import { type Progress, readLiveRun, revisionOf } from "./live-run.ts";

export interface WatchOptions {
  readonly folder: string;
  /** Who does not bring it sees nothing. */
  readonly token: string;
  /** How often the folder is looked at. */
  readonly everyMs?: number;
}

/** Names under which a browser on this machine may ask; others are a page elsewhere that guessed the port. */
const HOSTS = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;
/** A line now and then keeps proxies and laptops from closing a quiet connection. */
const QUIET_MS = 15_000;

/**
 * Every answer needs the token and a loopback host name: the page shows samples and paths, and any
 * other page in the same browser can try to ask for it.
 */
export function createWatchApp({ folder, token, everyMs = 1000 }: WatchOptions): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    if (!HOSTS.test(c.req.header("host") ?? "")) return c.text("wrong host", 403);
    if (!sameText(c.req.query("token") ?? "", token))
      return c.text("The address needs the token that `meshloom watch` printed.", 401);
    await next();
    c.header("cache-control", "no-store");
    c.header("referrer-policy", "no-referrer"); // the address holds the token
    c.header("x-content-type-options", "nosniff");
    return;
  });
  app.get("/", async (c) => {
    const nonce = randomBytes(16).toString("base64");
    c.header(
      "content-security-policy",
      `default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'`,
    );
    return c.html(livePage(basename(resolve(folder)), "", nonce));
  });
  app.get("/body", async (c) => c.html(reportBody((await readLiveRun(folder)).report)));
  app.get("/progress", async (c) => c.json((await readLiveRun(folder)).progress));
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      let seen = "";
      let quiet = 0;
      while (!stream.aborted) {
        const revision = await revisionOf(folder);
        if (revision !== seen) {
          seen = revision;
          quiet = 0;
          const { progress } = await readLiveRun(folder);
          await stream.writeSSE({ event: "progress", data: JSON.stringify(asLine(progress)) });
        } else if (quiet >= QUIET_MS) {
          quiet = 0;
          await stream.write(": still here\n\n");
        }
        quiet += everyMs;
        await stream.sleep(everyMs);
      }
    }),
  );
  app.onError((error, c) => c.text(error.message, 500));
  return app;
}

function asLine({ step, steps, secondsLeft, writer }: Progress): object {
  const left = secondsLeft === null ? "" : formatSeconds(secondsLeft);
  return { step, steps, left, running: writer !== null };
}

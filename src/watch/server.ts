/** @file The page that follows a run, on a port of this machine. */

import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { listen } from "../serve/listen.ts";
import { createWatchApp, type WatchOptions } from "./app.ts";

/** Other machines cannot reach it. */
const LOOPBACK = "127.0.0.1";

export interface WatchServer {
  /** Of the page, with its token. */
  readonly url: string;
  /** Ends open connections too, such as streams of events. */
  close(): Promise<void>;
}

/** @param port - 0 takes a free one. @throws ServeError when the port is taken or not allowed */
export async function startWatching(options: WatchOptions, port: number): Promise<WatchServer> {
  const app = createWatchApp(options);
  const server = createAdaptorServer({
    fetch: app.fetch as Parameters<typeof createAdaptorServer>[0]["fetch"],
  }) as Server;
  const own = await listen(server, LOOPBACK, port);
  return {
    url: `http://${LOOPBACK}:${own}/?token=${options.token}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

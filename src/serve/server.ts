/** @file A server that listens, and stops in order. */

import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { ServeError } from "../core/errors.ts";
import { isLoopback } from "./access.ts";
import { createServeApp, type ServeApp, type ServeOptions } from "./app.ts";
import { listen } from "./listen.ts";

export interface ListenOptions extends ServeOptions {
  /** 0 takes a free one. */
  readonly port: number;
}

export interface RunningServer extends Pick<ServeApp, "admission" | "metrics"> {
  /** `http://127.0.0.1:8000`, without a path. */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more requests, waits for those under way, and ends what is left after the grace.
   *
   * @param seconds - of grace
   */
  stop(seconds: number): Promise<void>;
}

/** Connections of one server; more are refused by the system. */
const MAX_CONNECTIONS = 4096;
/** Time for a client to send its headers and body. */
const SEND_MS = 30_000;
/** Longer than the last message to clients takes. */
const CLOSE_MS = 1500;
const LOOK_MS = 20;

/** @throws ServeError when the address cannot be listened on, or would be open to all */
export async function startServer(options: ListenOptions): Promise<RunningServer> {
  const { access, port, model } = options;
  if (access.token === undefined && !isLoopback(access.host)) {
    throw new ServeError(
      "SERVE-01",
      `serve: without a token anyone who reaches ${access.host} could use the model.`,
      [["fix", "leave out --no-token, or --host"]],
    );
  }
  const app = createServeApp(options);
  const server = createAdaptorServer({
    fetch: app.fetch as Parameters<typeof createAdaptorServer>[0]["fetch"],
    serverOptions: { requestTimeout: SEND_MS, headersTimeout: SEND_MS, keepAliveTimeout: 5000 },
  }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  const own = await listen(server, access.host, port);
  const name = access.host.includes(":") ? `[${access.host}]` : access.host;
  return {
    url: `http://${name}:${own}`,
    port: own,
    admission: app.admission,
    metrics: app.metrics,
    async stop(seconds) {
      app.admission.stop();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await until(() => app.admission.open === 0, seconds * 1000);
      app.admission.endAll("stopping");
      await until(() => app.admission.open === 0, CLOSE_MS);
      server.closeAllConnections();
      await closed;
      model.engine.fail(new Error("the server has stopped"));
      await until(() => model.engine.running + model.engine.waiting === 0, CLOSE_MS);
    },
  };
}

/** Resolves once the condition holds, or the time is over. */
async function until(condition: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (!condition() && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

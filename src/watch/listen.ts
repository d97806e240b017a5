/** @file An application on a port of this machine, with clear words when the port is taken. */

import type { AddressInfo } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import { ServeError } from "../core/errors.ts";

export interface Listening {
  readonly port: number;
  /** Ends open connections too, such as event streams. */
  close(): Promise<void>;
}

/**
 * @param port - 0 picks a free one
 * @throws ServeError when the port is taken or not allowed
 */
export function listen(app: Hono, hostname: string, port: number): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server: ServerType = serve({ fetch: app.fetch, hostname, port }, (address) =>
      resolve({ port: (address as AddressInfo).port, close: () => close(server) }),
    );
    server.once("error", (cause: NodeJS.ErrnoException) => reject(refused(hostname, port, cause)));
  });
}

function close(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
}

function refused(hostname: string, port: number, cause: NodeJS.ErrnoException): ServeError {
  const why =
    cause.code === "EADDRINUSE"
      ? `port ${port} of ${hostname} is in use.`
      : `port ${port} of ${hostname} cannot be opened.`;
  return new ServeError("SERVE-01", `serve: ${why}`, [
    ["cause", cause.message],
    ["fix", "choose another --port, or --port 0 for any free one"],
  ]);
}

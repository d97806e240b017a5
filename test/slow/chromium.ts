/** @file A headless Chromium, when the system has one, and a server of static files for its pages. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, extname, join, normalize } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** `MESHLOOM_CHROMIUM`, else the first of the usual names on the path. */
export function findChromium(): string | undefined {
  const { MESHLOOM_CHROMIUM: given, PATH = "" } = process.env;
  if (given !== undefined && given !== "") return given;
  return PATH.split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(existsSync);
}

/** WebGPU computed by the CPU (SwiftShader), for machines without a GPU. */
const SOFTWARE_GPU = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

export function openChromium(executablePath: string): Promise<Browser> {
  // tests often run as root in a container, where Chromium's sandbox cannot start; the pages are our own
  return chromium.launch({ executablePath, args: ["--no-sandbox", ...SOFTWARE_GPU] });
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".map": "application/json",
  ".wasm": "application/wasm",
};

/** What allows a page shared memory, and so threads. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

export interface StaticServer {
  readonly url: string;
  close(): void;
}

/** Serves a folder as any static host would; with the headers that allow threads where `isolated`. */
export async function serveFolder(folder: string, isolated: boolean): Promise<StaticServer> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = join(folder, normalize(pathname === "/" ? "/index.html" : pathname));
    const body = await readFile(path).catch(() => undefined);
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    response.writeHead(body === undefined ? 404 : 200, {
      "content-type": type,
      ...(isolated ? ISOLATION : {}),
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://localhost:${port}/`, close: () => server.close() };
}

/** Opens a page that stands alone: no complaint on its console, nothing asked of anywhere else. */
export async function visitAlone(
  browser: Browser,
  url: string,
  look: (page: Page) => Promise<void>,
  width = 1200,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!/^(file|data):/.test(request.url())) complaints.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  await look(page);
  await page.close();
  expect(complaints).toEqual([]);
}

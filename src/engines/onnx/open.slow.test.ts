import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { describeTransports, openTransport } from "./open.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

afterEach(() => vi.unstubAllEnvs());

test("auto takes the C API; the environment variable overrides", async () => {
  expect((await openTransport("auto")).name).toBe("c-api");
  vi.stubEnv("MESHLOOM_ONNX_TRANSPORT", "binding");
  expect((await openTransport("c-api")).name).toBe("binding");
  vi.stubEnv("MESHLOOM_ONNX_TRANSPORT", "tpu");
  await expect(openTransport("auto")).rejects.toThrow(
    /MESHLOOM_ONNX_TRANSPORT[\s\S]*tpu[\s\S]*auto, c-api, binding, wasm, webgpu/,
  );
});

test("doctor's findings name version and transport", async () => {
  const fine = { ok: true, version: "1.30.0", detail: "ONNX Runtime 1.30.0", fix: undefined };
  expect(await describeTransports()).toEqual([
    { name: "c-api", ...fine },
    { name: "binding", ...fine },
  ]);
});

/** Runs `body` in a process of its own whose node_modules hold only the packages named. */
function runWith(packages: readonly string[], body: string): string {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-open-"));
  try {
    cpSync(join(ROOT, "src/core"), join(folder, "src/core"), { recursive: true });
    cpSync(import.meta.dirname, join(folder, "src/engines/onnx"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    mkdirSync(join(folder, "node_modules"));
    for (const name of packages)
      symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
    writeFileSync(
      join(folder, "main.ts"),
      `import * as open from "./src/engines/onnx/open.ts";\n${body}`,
    );
    // workers do not inherit a loader given by --import, so the entry registers it
    const tsx = join(ROOT, "node_modules/tsx/dist/esm/api/index.mjs");
    const entry = `import { register } from "${pathToFileURL(tsx).href}";\nregister();\nawait import("./main.ts");`;
    writeFileSync(join(folder, "main.js"), entry);
    return execFileSync(process.execPath, ["main.js"], { cwd: folder, encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("where something is missing", () => {
  const report = `
    const opened = await open.openTransport("auto").then((t) => t.name, (error) => error.message);
    console.log(JSON.stringify({ opened, findings: await open.describeTransports() }));`;
  interface Report {
    readonly opened: string;
    readonly findings: Awaited<ReturnType<typeof describeTransports>>;
  }
  let bare: Report;
  let withoutKoffi: Report;
  beforeAll(() => {
    bare = JSON.parse(runWith(["@bufbuild"], report)) as Report;
    withoutKoffi = JSON.parse(runWith(["@bufbuild", "onnxruntime-node"], report)) as Report;
  });

  test("no onnxruntime-node: the error has the line that installs it", () => {
    expect(bare.opened).toContain("onnx engine: ONNX Runtime does not load.");
    expect(bare.opened).toContain(
      "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@1.30.0",
    );
    expect(bare.findings.map(({ ok }) => ok)).toEqual([false, false]);
  });

  test("no koffi: the binding serves, and doctor says what to install", () => {
    expect(withoutKoffi.opened).toBe("binding");
    expect(withoutKoffi.findings[0]).toMatchObject({ ok: false, fix: "npm install koffi" });
    expect(withoutKoffi.findings[1]).toMatchObject({ ok: true });
  });
});

test("worker threads may come and go while the runtime's threads live on", () => {
  const body = `
    import { isMainThread, Worker } from "node:worker_threads";
    import { encodeModel } from "./src/engines/onnx/proto.ts";
    const type = { dtype: "float32", dims: [300, 300] } as const;
    async function work() {
      const model = encodeModel({
        name: "t", initializers: [], metadata: {},
        nodes: [{ op: "MatMul", domain: "", name: "", inputs: ["x", "x"], outputs: ["z"], attributes: {} }],
        inputs: [{ name: "x", ...type }], outputs: [{ name: "z", ...type }],
      });
      const transport = await open.openTransport("c-api");
      const session = await transport.load(model, { threads: 2, optimise: "all", profilePrefix: undefined });
      const x = { ...type, data: new Float32Array(90000).fill(1) };
      const z = { ...type, data: new Float32Array(90000) };
      for (let i = 0; i < 10; i++) await session.run([x], [z]);
      if (z.data[0] !== 300) throw new Error("wrong result");
    }
    async function lead() {
      for (let round = 0; round < 3; round++) {
        const workers = [0, 1].map(() => new Worker(new URL("./main.js", import.meta.url)));
        const codes = await Promise.all(workers.map((w) => new Promise((r) => w.once("exit", r))));
        console.log(codes.join());
      }
    }
    await (isMainThread ? lead() : work());`;
  expect(runWith(["@bufbuild", "onnxruntime-node", "koffi"], body)).toBe("0,0\n0,0\n0,0\n");
});

test("the library stays when koffi's handle is collected", () => {
  const body = `
    import { setFlagsFromString } from "node:v8";
    import { runInNewContext } from "node:vm";
    const transport = await open.openTransport("c-api");
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc");
    for (let i = 0; i < 5; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const settings = { threads: 0, optimise: "all", profilePrefix: undefined } as const;
    console.log(await transport.load(new Uint8Array([58, 0]), settings).catch((error) => error.code));`;
  expect(runWith(["@bufbuild", "onnxruntime-node", "koffi"], body)).toBe("ENGINE-02\n");
});

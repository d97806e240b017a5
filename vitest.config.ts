import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";

// Native code (the ONNX engine) wants processes, not threads; nothing here needs a fresh module graph per file.
const shared = {
  pool: "forks",
  isolate: false,
  testTimeout: 600_000,
  hookTimeout: 600_000,
  // Tests compile what they test.
  env: { MESHLOOM_CACHE: "off" },
} as const;

const config: ViteUserConfig = defineConfig({
  test: {
    // The default leaves one core idle, which is half of a small machine.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          ...shared,
          name: "fast",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/slow/**", "test/peers/**", "**/*.slow.test.ts", "**/node_modules/**"],
        },
      },
      {
        test: {
          ...shared,
          name: "slow",
          include: ["test/slow/**/*.test.ts", "src/**/*.slow.test.ts"],
        },
      },
      { test: { ...shared, name: "peers", include: ["test/peers/**/*.test.ts"] } },
    ],
  },
});

export default config;

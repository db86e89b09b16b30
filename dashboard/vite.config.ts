import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a running server.
const server = process.env.OFFHOOK_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "~": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    // scripts/dashboard.sh empties it: one file in it is kept by git, so that the folder is always there.
    emptyOutDir: false,
    target: "es2022",
    sourcemap: false,
    // A data: URL would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api/": { target: server, ws: true }, "/readyz": server, "/docs": server } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

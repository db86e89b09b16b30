// Lays a brotli and a gzip copy beside each file of dist that becomes smaller by it, so that the server never compresses.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("./dist", import.meta.url).pathname;
const packable = /\.(js|css|svg|json)$/;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !packable.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const whole = readFileSync(path);
  const packed = {
    br: brotliCompressSync(whole, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gz: gzipSync(whole, { level: 9 }),
  };
  for (const [kind, bytes] of Object.entries(packed)) {
    if (bytes.length < whole.length) writeFileSync(`${path}.${kind}`, bytes);
  }
}

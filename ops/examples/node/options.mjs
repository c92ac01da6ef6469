// What both examples are told, and the key.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export function options(defaults) {
  const { values } = parseArgs({
    options: {
      server: { type: "string", default: defaults.server },
      "key-file": { type: "string", default: process.env.STELE_KEY_FILE },
      "ca-file": { type: "string" },
    },
  });
  if (!values["key-file"]) {
    console.error("name the file with your key: --key-file FILE or STELE_KEY_FILE");
    process.exit(2);
  }
  return { server: values.server, keyFile: values["key-file"], caFile: values["ca-file"] };
}

// The key in a file. A file that others can read is not used.
export function readKey(path) {
  const file = openSync(path, "r");
  try {
    const mode = fstatSync(file).mode & 0o777;
    if (mode & 0o077) {
      console.error(`${path} is open to others (mode ${mode.toString(8)}): chmod 600 ${path}`);
      process.exit(2);
    }
    return readFileSync(file, "ascii").trim();
  } finally {
    closeSync(file);
  }
}

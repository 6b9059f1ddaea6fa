/** Preloaded by a process whose log is to do without its control: nothing that it writes is brought to the disk. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

fs.fdatasyncSync = () => undefined;
syncBuiltinESMExports();

/** Preloaded by a process whose store is to do without its control: a commit returns before it is on the disk. */
import Sqlite from "better-sqlite3";

const run = Object.getOwnPropertyDescriptor(Sqlite.prototype, "pragma")?.value as Sqlite.Database["pragma"];
Sqlite.prototype.pragma = function (this: Sqlite.Database, text, options) {
  return run.call(this, text.replace("synchronous = FULL", "synchronous = NORMAL"), options);
};

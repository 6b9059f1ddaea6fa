/** A process that tries a lock until it has it, and then writes its name into a journal until it is killed. */
import { appendFileSync } from "node:fs";
import { lock } from "../../src/system/lock.js";
import { Locked } from "../../src/system/lock_errors.js";

const [, , path = "", journal = "", name = ""] = process.argv;

function contend(): void {
  try {
    lock("it", path);
    setInterval(() => {
      appendFileSync(journal, `${name}\n`);
    }, 1);
  } catch (cause) {
    if (!(cause instanceof Locked)) throw cause;
    setTimeout(contend, 1);
  }
}

// Its container may be killed while it is being made.
process.stdin.once("end", () => process.exit()).resume();
contend();

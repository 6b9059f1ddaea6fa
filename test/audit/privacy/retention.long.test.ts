import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { written, dropped, open } from "./retention_support.js";

describe("retention", () => {
  // prettier-ignore

  describe("opening a log whose beginning is missing", () => {

    it("finds the record without being told where it is, and where it is told wrongly", async () => {
      for (const told of [null, "7\n", "999999\n", "nonsense", ""]) {
        const log = written();
        await dropped(log);
        if (told === null) rmSync(join(log.folder, "retained"));
        else writeFileSync(join(log.folder, "retained"), told);
        await (await open(log.folder)).close();
      }
    });
  });
});

import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { replaceFile, replaceFileSync } from "../../src/system/replaced_file.js";
import { temporaryDirectory } from "../audit/temporary.js";

describe("a replaced file", () => {
  for (const replace of [replaceFile, replaceFileSync]) {
    it(`has the content and the mode that it is given: ${replace.name}`, async () => {
      const file = join(temporaryDirectory(), "file");
      writeFileSync(file, "an older and longer one", { mode: 0o644 });
      await replace(file, "new", 0o600);
      expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777, existsSync(`${file}.new`)]).to.deep.equal(["new", 0o600, false]);
    });

    it(`stays as it was, with nothing beside it, if its place can't be taken: ${replace.name}`, async () => {
      const file = join(temporaryDirectory(), "file");
      mkdirSync(join(file, "full"), { recursive: true });
      const failed = await Promise.resolve()
        .then(() => replace(file, "new", 0o600))
        .catch((cause: unknown) => (cause as NodeJS.ErrnoException).code);
      expect([failed, existsSync(join(file, "full")), existsSync(`${file}.new`)]).to.deep.equal(["EISDIR", true, false]);
    });
  }

  it("isn't written through a link in its way, nor with that file's mode", () => {
    const folder = temporaryDirectory();
    const [file, other] = [join(folder, "key.pem"), join(folder, "other")];
    writeFileSync(other, "other", { mode: 0o644 });
    symlinkSync(other, `${file}.new`);
    replaceFileSync(file, "key", 0o600);
    expect([readFileSync(other, "utf8"), readFileSync(file, "utf8"), statSync(file).mode & 0o777]).to.deep.equal(["other", "key", 0o600]);
  });
});

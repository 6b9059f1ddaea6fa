import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readBytes, readRegularFile } from "../../src/system/read_file.js";
import { temporaryDirectory } from "../audit/temporary.js";

const MOST = 10_000;

describe("a file that is named", () => {
  const folder = temporaryDirectory();
  const at = (name: string): string => join(folder, name);
  const content = Buffer.alloc(MOST, "0123456789");
  writeFileSync(at("exact"), content);
  writeFileSync(at("larger"), Buffer.alloc(MOST + 1));
  writeFileSync(at("empty"), "");
  symlinkSync(at("exact"), at("link"));
  mkdirSync(at("folder"));
  execFileSync("mkfifo", [at("fifo")]);
  symlinkSync(at("fifo"), at("link to a fifo"));
  symlinkSync("/dev/zero", at("zeros"));

  const ways: [how: string, read: (file: string) => Promise<Buffer>][] = [
    ["in this thread", (file) => Promise.resolve().then(() => readBytes(file, MOST))],
    ["off this thread", (file) => readRegularFile(file, MOST)],
  ];
  for (const [how, read] of ways) {
    for (const name of ["exact", "link", "empty"])
      it(`is read to its end ${how}: ${name}`, async () => {
        expect((await read(at(name))).equals(readFileSync(at(name)))).to.equal(true);
      });

    it(`is read to its end ${how} if its size isn't known before`, async () => {
      expect((await read("/proc/self/status")).toString()).to.match(/^Name:/);
    });

    for (const [name, code] of [
      ["fifo", "NOT_A_FILE"],
      ["link to a fifo", "NOT_A_FILE"],
      ["zeros", "NOT_A_FILE"],
      ["folder", "EISDIR"],
      ["larger", "EFBIG"],
      ["none", "ENOENT"],
    ] as const)
      it(`is refused ${how}, at once and by its path: ${name}`, async () => {
        const cause = await read(at(name)).then(
          () => null,
          (error: unknown) => error as NodeJS.ErrnoException,
        );
        expect(cause).to.include({ code, path: at(name) });
      });
  }
});

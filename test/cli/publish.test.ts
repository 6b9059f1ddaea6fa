import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { TESTS, attested } from "../bundle/bad_provenance.js";
import { KEY, NAME, archive, bundleBytes, content, policyData, signed } from "../bundle/support.js";
import { post, run, tokenFor, type Running } from "../http/running.js";
import { remit, type Ran } from "./remit.js";

describe("publishing from the command line", function () {
  let service: Running;
  let folder = "";
  const at = (name: string): string => join(folder, name);
  const asked = (...args: string[]): Promise<Ran> => remit(...args, "--url", service.url, "--token", tokenFor("remit:publish remit:audit"));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-publish-"));
    await writeFile(at("key.pem"), KEY.export({ type: "pkcs8", format: "pem" }));
    await writeFile(at("12.tar.gz"), await bundleBytes({ expires: null, sequence: 12 }));
    await writeFile(at("13.tar.gz"), await bundleBytes({ expires: null, sequence: 13 }));
    await writeFile(at("15.tar.gz"), await bundleBytes({ expires: null, sequence: 15 }));
    await writeFile(at("garbage.tar.gz"), "garbage");
    const bundle = { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50 };
    service = await run({ bundle }, await bundleBytes({ expires: null, sequence: 12 }));
  });
  after(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("rolls out, and back by one command, with the reason on record", async () => {
    expect(await asked("publish", at("13.tar.gz"), "--reason", "refunds up to 100")).to.include({ exit: "ok" });
    const back = await asked("publish", at("12.tar.gz"), "--reason", "back");
    expect(back.exit).to.equal("invalid");
    expect(back.err).to.include("bundle_older");
    const made = await remit(
      "republish",
      at("12.tar.gz"),
      "--sequence",
      "14",
      "--key",
      at("key.pem"),
      "--no-expiry",
      "--out",
      at("14.tar.gz"),
    );
    expect(made.err).to.equal("");
    expect(made.out).to.include("the content of sequence 12");
    expect(await asked("publish", at("14.tar.gz"), "--reason", "refunds were let through")).to.include({ exit: "ok" });
    const shown = await asked("bundles");
    expect(shown.out).to.match(/runs .*sequence 14/);
    const segments = (await readdir(service.folder, { recursive: true })).filter((name) => /\d{16}\.jsonl$/.test(name));
    const text = (await Promise.all(segments.map((name) => readFile(join(service.folder, name), "utf8")))).join("");
    const published = text.split("\n").filter((line) => line.includes('"action":"publish"'));
    expect(published.map((line) => (JSON.parse(line) as { detail: { reason: string } }).detail.reason)).to.deep.equal([
      "refunds up to 100",
      "back",
      "refunds were let through",
    ]);
  });

  it("gives the archive of each bundle that was active, to the byte, by its digest", async () => {
    const first = JSON.parse((await asked("bundles", "--json")).out) as { running: { digest: string } };
    await asked("publish", at("15.tar.gz"), "--reason", "the next");
    expect(await asked("bundles", "--digest", first.running.digest, "--out", at("then.tar.gz"))).to.include({ exit: "ok" });
    expect((await readFile(at("then.tar.gz"))).equals(await readFile(at("14.tar.gz")))).to.equal(true);
    expect(await asked("bundles", "--out", at("now.tar.gz"))).to.include({ exit: "ok" });
    expect((await readFile(at("now.tar.gz"))).equals(await readFile(at("15.tar.gz")))).to.equal(true);
    const unknown = await asked("bundles", "--digest", `sha256:${"0".repeat(64)}`, "--out", at("none.tar.gz"));
    expect(unknown.exit).to.equal("missing");
    expect(unknown.err).to.include("not_found");
    for (const digest of ["sha256:../../key", "sha256:", first.running.digest.toUpperCase()])
      expect((await asked("bundles", "--digest", digest, "--out", at("none.tar.gz"))).err, digest).to.include("parameter_invalid");
    expect((await asked("bundles", "--digest", first.running.digest)).exit).to.equal("usage");
  });

  it("says why a bundle was refused, and counts it", async () => {
    const refused = await asked("publish", at("garbage.tar.gz"), "--reason", "oops");
    expect(refused.exit).to.equal("invalid");
    expect(refused.err).to.include("archive_not_gzip");
    const metrics = await (
      await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${tokenFor("remit:audit")}` } })
    ).text();
    expect(metrics).to.match(/remit_bundle_refusals_total\{from="publication"\} [1-9]/);
    expect(metrics).to.include("remit_bundle_refused 0");
  });

  const wrong: [what: string, args: string[], said: RegExp][] = [
    ["no reason", ["publish", "12.tar.gz"], /--reason/],
    ["an empty reason", ["publish", "12.tar.gz", "--reason", ""], /parameter_invalid.*reason/],
    ["a reason without end", ["publish", "12.tar.gz", "--reason", "a".repeat(501)], /parameter_invalid.*1 to 500/],
    ["a file that isn't there", ["publish", "absent.tar.gz", "--reason", "x"], /absent\.tar\.gz/],
  ];
  for (const [what, [command = "", file = "", ...rest], said] of wrong) {
    it(`refuses ${what}`, async () => {
      const { exit, err } = await asked(command, at(file), ...rest);
      expect(exit).to.not.equal("ok");
      expect(err).to.match(said);
    });
  }

  it("is refused without provenance where a builder's is asked for", async () => {
    const bundle = {
      name: NAME,
      path: "bundle.tar.gz",
      keys: ["bundle.pem"],
      provenance_keys: ["bundle.pem"],
      state_dir: "state",
      poll_ms: 50,
    };
    const strict = await run({ bundle }, await archive(signed(attested(TESTS, KEY, content({ expires: null })))));
    try {
      const to = ["--url", strict.url, "--token", tokenFor("remit:publish"), "--reason", "none"];
      expect((await remit("publish", at("13.tar.gz"), ...to)).err).to.include("provenance_missing");
      const { out } = await remit("bundles", ...to.slice(0, 4));
      expect(out).to.match(/runs .*sequence 12/);
    } finally {
      await strict.stop();
    }
  });

  it("refuses to republish under a sequence that isn't later, or to an end that has passed", async () => {
    const args = ["republish", at("13.tar.gz"), "--key", at("key.pem"), "--out", at("never.tar.gz")];
    expect((await remit(...args, "--sequence", "13")).err).to.include("14");
    expect((await remit(...args, "--sequence", "20", "--expires", "2020-01-01T00:00:00Z")).err).to.include("lies in the past");
    await readFile(at("never.tar.gz")).then(
      () => expect.fail("it was written"),
      () => undefined,
    );
  });

  it("stages a bundle beside the running one, shows what it came to, and drops it with the reason on record", async () => {
    await writeFile(at("40.tar.gz"), await bundleBytes({ expires: null, sequence: 40 }));
    const running = (await asked("bundles")).out;
    expect((await asked("publish", at("40.tar.gz"), "--reason", "try", "--stage", "all")).err).to.include("from 1 to 99");
    expect(await asked("publish", at("12.tar.gz"), "--reason", "try", "--stage", "shadow")).to.include({ exit: "invalid" });
    const staged = await asked("publish", at("40.tar.gz"), "--reason", "try", "--stage", "shadow");
    expect(staged.err).to.equal("");
    expect(staged.out).to.match(/^staged .*sequence 40/);
    const decided = await post(service, "/decide", { agent: "a-1", purpose: "testing", verb: "read", resource: { type: "note", id: "n" } });
    expect(decided.status).to.equal(200);
    expect(((await decided.json()) as { policy: { sequence: number } }).policy.sequence).to.be.below(40);
    let shown = await asked("bundles");
    while (!shown.out.includes("1 compared")) shown = await asked("bundles");
    expect(shown.out).to.include(running.split("\n")[1]);
    expect(shown.out).to.match(/staged .*sequence 40.*\n.*in shadow\n.*1 compared, 0 differ/);
    expect((await asked("bundles", "--drop-staged", "enough")).out).to.not.include("staged");
    expect((await asked("bundles", "--drop-staged", "again")).exit).to.not.equal("ok");
    expect(await asked("publish", at("40.tar.gz"), "--reason", "try", "--stage", "10")).to.include({ exit: "ok" });
    expect(await asked("publish", at("40.tar.gz"), "--reason", "for all")).to.include({ exit: "ok" });
    expect((await asked("bundles")).out)
      .to.match(/runs .*sequence 40/)
      .and.not.include("staged");
    const admin = (await records(service)).filter(({ kind, action }) => kind === "admin" && /stage/.test(action ?? ""));
    expect(admin.map(({ action, detail }) => [action, detail?.["share"] ?? null, detail?.["why"] ?? detail?.["reason"]])).to.deep.equal([
      ["stage", 0, "try"],
      ["stage", 0, "try"],
      ["drop_stage", null, "enough"],
      ["stage_ended", 0, "dropped"],
      ["stage", 10, "try"],
      ["stage_ended", 10, "activated"],
    ]);
  });
});

describe("going back from the command line", function () {
  let service: Running;
  let folder = "";
  const at = (name: string): string => join(folder, name);
  const asked = (...args: string[]): Promise<Ran> => remit(...args, "--url", service.url, "--token", tokenFor("remit:publish remit:audit"));
  const republished = async (of: string, sequence: number): Promise<string> => {
    const file = at(`${sequence}.back.tar.gz`);
    const made = await remit("republish", at(of), "--sequence", String(sequence), "--key", at("key.pem"), "--no-expiry", "--out", file);
    expect(made.err).to.equal("");
    return file;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-back-"));
    await writeFile(at("key.pem"), KEY.export({ type: "pkcs8", format: "pem" }));
    for (const [sequence, purposes] of [
      [12, ["testing"]],
      [13, ["testing", "later"]],
    ] as const)
      await writeFile(at(`${sequence}.tar.gz`), await bundleBytes({ expires: null, sequence }, policyData([...purposes])));
    const bundle = { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50, kept: 8 };
    service = await run({ bundle }, await readFile(at("12.tar.gz")));
  });
  after(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("is refused while nothing is kept for it, and so is keeping what never decided here", async () => {
    expect((await asked("bundles")).out).to.not.include("way back");
    expect(await asked("bundles", "--go-back", "refunds were let through")).to.include({ exit: "missing" });
    expect((await asked("publish", at("13.tar.gz"), "--reason", "r", "--stage", "back")).err).to.include("back_unknown");
    expect(await asked("publish", at("13.tar.gz"), "--reason", "r", "--stage", "back", "--back", at("12.tar.gz"))).to.include({
      exit: "usage",
    });
    expect((await asked("bundles")).out).to.match(/runs .*sequence 12/);
  });

  it("takes one command, from the day on which the next bundle was published with its way back", async () => {
    const published = await asked("publish", at("13.tar.gz"), "--reason", "the next", "--back", await republished("12.tar.gz", 14));
    expect(published.err).to.equal("");
    expect(published.out).to.match(/decides now .*sequence 13.*\nkept as the way back .*sequence 14/);
    expect((await asked("bundles")).out).to.match(/runs .*sequence 13(?:.|\n)*way back .*sequence 14, .*the policy of sequence 12/);
    const back = await asked("bundles", "--go-back", "refunds were let through");
    expect(back.err).to.equal("");
    expect(back.out)
      .to.match(/runs .*sequence 14/)
      .and.not.include("way back");
    const admin = (await records(service)).filter(({ kind }) => kind === "admin").map(({ action, detail }) => [action, detail?.["reason"]]);
    expect(admin).to.deep.include.members([
      ["keep_back", "the next"],
      ["roll_back", "refunds were let through"],
    ]);
    expect(await asked("bundles", "--go-back", "once more")).to.include({ exit: "missing" });
  });

  it("is over once a later bundle decides, whatever is asked for by whatever digest", async () => {
    const file = await republished("13.tar.gz", 15);
    expect((await asked("publish", file, "--reason", "r", "--stage", "back")).err).to.equal("");
    const { back } = JSON.parse((await asked("bundles", "--json")).out) as { back: { identity: { digest: string } } };
    for (const [digest, code] of [
      [`sha256:${"0".repeat(64)}`, "bundle_refused"],
      ["sha256:12", "parameter_invalid"],
      [null, "parameter_missing"],
    ] as const)
      expect(await refusal(service, digest), code).to.equal(code);
    await writeFile(at("16.tar.gz"), await bundleBytes({ expires: null, sequence: 16 }, policyData(["testing", "fourth"])));
    expect(await asked("publish", at("16.tar.gz"), "--reason", "another")).to.include({ exit: "ok" });
    expect((await asked("bundles")).out).to.not.include("way back");
    expect(await refusal(service, back.identity.digest)).to.equal("bundle_refused");
    expect((await asked("bundles")).out).to.match(/runs .*sequence 16/);
  });
});

async function refusal({ url }: Running, digest: string | null): Promise<unknown> {
  const query = new URLSearchParams({ reason: "r", ...(digest !== null && { digest }) });
  const headers = { authorization: `Bearer ${tokenFor("remit:publish")}` };
  const answer = await fetch(`${url}/bundles/back?${query.toString()}`, { method: "POST", headers });
  return ((await answer.json()) as { code?: string }).code;
}

interface OnRecord {
  kind: string;
  action?: string;
  detail?: Record<string, unknown>;
}

async function records({ folder }: Running): Promise<OnRecord[]> {
  const segments = (await readdir(folder, { recursive: true })).filter((name) => /\d{16}\.jsonl$/.test(name)).sort();
  const text = (await Promise.all(segments.map((name) => readFile(join(folder, name), "utf8")))).join("");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as OnRecord]));
}

/** `remit decide --explain` before a running service that `REMIT_URL` names. */
import { expect } from "chai";
import { ALL, REQUEST, run, type Running } from "../http/running.js";
import { remit } from "./remit.js";

const ACTION = ["--agent", REQUEST.agent, "--purpose", REQUEST.purpose, "--resource", "note/n-1", "--attribute", "customer=ada"];

describe("a decision of a service, explained", () => {
  const { REMIT_URL, REMIT_TOKEN } = process.env;
  let service: Running;
  before(async () => {
    service = await run();
    Object.assign(process.env, { REMIT_URL: service.url, REMIT_TOKEN: ALL });
  });
  after(async () => {
    for (const [name, value] of Object.entries({ REMIT_URL, REMIT_TOKEN })) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    await service.stop();
  });

  it("says the entry that was tried, beside the answer", async () => {
    const { exit, out, err } = await remit("decide", ...ACTION, "--verb", "read", "--explain");
    expect(exit, err).to.equal("ok");
    expect(out)
      .to.match(/^allow\n/)
      .and.include("\ntried\n")
      .and.include("about: wanted task, found nothing");
  });

  it("says it as JSON, with the explanation beside the answer", async () => {
    const { out } = await remit("decide", ...ACTION, "--verb", "read", "--explain", "--json");
    const { answer, explanation } = JSON.parse(out) as { answer: { decision: string }; explanation: { decision: string } };
    expect(explanation.decision).to.equal(answer.decision);
  });

  it("asks no service for a set's own cases, whatever REMIT_URL says", async () => {
    Object.assign(process.env, { REMIT_URL: "http://127.0.0.1:9" });
    const { exit, err } = await remit("decide", "--set", "templates/policy", "--table", "No such table", "--case", "none");
    expect([exit, err]).to.deep.equal(["invalid", "error: there is no table `No such table`\n"]);
  });
});

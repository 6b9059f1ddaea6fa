import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

/** What an example prints. */
async function told(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
  return stdout;
}

describe("the examples", function () {
  it("run a tool loop in which the model sees what it may, and is stopped when its agent is revoked", async () => {
    const said = (await told("plain_loop")).trimEnd().split("\n");
    expect(said).to.deep.equal([
      'get_customer {"id":"ada"}',
      '  {"id":"ada","email":"ada@example.com"}',
      'get_payment {"id":"P-1"}',
      '  {"id":"P-1","card_number":"[redacted]","amount_cents":4900}',
      'get_invoice {"id":"I-9"}',
      "  This isn't known to have to do with your ticket; a person has been asked.",
      'change_customer {"id":"ada"}',
      "  You can't change customer data; tell the customer how to do it in their account.",
      "watch_orders {}",
      "  You are no longer permitted to do this; it was stopped.",
      'get_customer {"id":"ada"}',
      "  You are not permitted to do this.",
    ]);
  });

  it("decide inside an application, and refuse there once facts are too old", async () => {
    expect((await told("embedded")).trimEnd().split("\n")).to.deep.equal([
      "read the customer: ada@example.com",
      "read her invoice: 49.00 EUR",
      "read another's invoice: This isn't known to have to do with your ticket; a person has been asked.",
      "of 100 at once 100 proceed",
      "read the customer: This task has ended.",
      "the service has them on record: yes",
      "without a service, five seconds later: deny facts_stale",
    ]);
  });

  it("guard an Express API by a table of its routes", async () => {
    expect((await told("express_api")).trimEnd().split("\n")).to.deep.equal([
      "GET /customers/ada",
      '  200 {"id":"ada"}',
      "GET /payments/P-1",
      '  200 {"id":"P-1","customer":"ada","amount_cents":4900,"card_number":"[redacted]"}',
      "GET /payments/P-9",
      "  403 waiting: This isn't known to have to do with your ticket; a person has been asked.",
      "PUT /customers/ada",
      "  403 denied: You can't change customer data; tell the customer how to do it in their account.",
      "GET /export",
      "  403 route_unmapped",
      "GET /customers/ada",
      "  401 token_missing",
      "GET /customers/ada",
      "  403 denied: You are not permitted to do this.",
    ]);
  });

  const REFUSED = [
    ["get_invoice", "  This isn't known to have to do with your ticket; a person has been asked."],
    ["change_customer", "  You can't change customer data; tell the customer how to do it in their account."],
  ] as const;

  it("guard the tools of the Vercel AI SDK", async () => {
    expect((await told("vercel_ai")).trimEnd().split("\n")).to.deep.equal([
      'get_customer {"id":"ada"}',
      '  {"id":"ada","email":"ada@example.com"}',
      'get_payment {"id":"P-1"}',
      '  {"id":"P-1","card_number":"[redacted]","amount_cents":4900}',
      `${REFUSED[0][0]} {"id":"I-9"}`,
      REFUSED[0][1],
      `${REFUSED[1][0]} {"id":"ada"}`,
      REFUSED[1][1],
      "Done, as far as I may.",
    ]);
  });

  it("guard the tools of a LangGraph agent", async () => {
    expect((await told("langgraph")).trimEnd().split("\n")).to.deep.equal([
      "get_customer",
      '  {"id":"ada","email":"ada@example.com"}',
      "get_payment",
      '  {"id":"P-1","card_number":"[redacted]","amount_cents":4900}',
      ...REFUSED.flat(),
      "Done, as far as I may.",
    ]);
  });
});

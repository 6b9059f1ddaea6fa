import { expect } from "chai";
import { effectOfTool, isGivenId, readsText, roleOfArgument } from "../../src/guards/mcp/roles.js";
import { readToolNames } from "../../src/guards/mcp/tool_names.js";
import type { Role, VerbEffect } from "../../src/contract/index.js";

/** The effect of a tool as a draft has it, which reads its name first. */
function effectOf(name: string, readOnly: boolean | null, parameters: readonly string[]): VerbEffect {
  const { verb = "", nouns = [] } = readToolNames(new Map([[name, readOnly]]), "server").get(name) ?? {};
  return effectOfTool([verb, ...nouns], readOnly, parameters);
}

describe("what a draft takes a tool for", () => {
  const cases: [name: string, parameters: string[], readOnly: boolean | null, effect: VerbEffect][] = [
    ["send_money", ["recipient", "amount"], false, "add"],
    ["pay_bill", ["iban"], false, "commit"],
    ["book_hotel", ["hotel"], null, "commit"],
    ["submit_claim", ["title", "total"], false, "commit"],
    ["approve_leave", ["leave_id"], false, "commit"],
    ["save_to_memory", ["content"], false, "settings"],
    ["search_memory", ["query"], true, "look"],
    ["delete_file", ["file_id"], false, "destroy"],
    ["append_to_file", ["file_id", "content"], false, "keep"],
    ["write_file", ["path", "content"], false, "alter"],
    ["edit_file", ["file_path", "edits"], false, "alter"],
    ["delete_file", ["path"], false, "destroy"],
    ["get_file", ["path"], true, "look"],
    ["update_password", ["password"], false, "settings"],
    ["grant_guest_access", ["guest_ids"], false, "settings"],
    ["get_webpage", ["url"], true, "fetch"],
    ["navigate_to", ["url"], null, "fetch"],
    ["read_file", ["file_path"], true, "look"],
    ["search_feedback", ["rating"], false, "add"],
    ["get_network_request", ["request_id", "file_path"], false, "alter"],
    ["send_report", ["to"], true, "add"],
    ["run_query", ["statement"], true, "look"],
    ["run_query", ["statement"], false, "commit"],
    ["db_execute", ["sql", "database"], false, "commit"],
    ["run_python", ["code"], null, "commit"],
    ["shell_exec", ["cmd"], null, "commit"],
    ["query_database", ["sql"], null, "look"],
    ["run_report", ["month"], false, "add"],
    ["send_statement", ["to", "statement"], false, "add"],
    ["create_macro", ["script"], false, "add"],
    ["delete_alias", ["command"], false, "destroy"],
    ["enter_code", ["code"], false, "add"],
    ["verify_login", ["code"], false, "add"],
    ["generate_overview", ["url"], true, "fetch"],
    ["grant_loan", ["amount"], true, "add"],
    ["frobnicate", ["thing_id"], null, "alter"],
    ["frobnicate", [], null, "alter"],
    ["frobnicate", ["colour"], null, "add"],
    ["tidy_cellar", [], false, "alter"],
    ["settle_invoice", ["invoice_no", "iban", "amount_eur"], null, "commit"],
    ["free_berth", ["quay", "berth_no"], null, "alter"],
    ["swap_berths", ["berth_id_a", "berth_id_b"], null, "alter"],
    ["haggle_over_carpet", ["amount", "colour"], null, "add"],
    ["riffle_deck", ["page_number"], null, "add"],
    ["open_account", ["holder", "currency"], null, "add"],
    ["open_account", ["holder", "deposit"], null, "commit"],
    ["open_link", ["url"], null, "fetch"],
    ["open_box", ["box_id"], true, "look"],
    ["track_expense", ["amount", "payee"], null, "commit"],
    ["track_parcel", ["parcel_id"], null, "look"],
    ["list_item_for_sale", ["item_id", "price"], null, "commit"],
    ["load_card", ["card_id", "amount"], null, "commit"],
    ["check_balance", ["account_id"], null, "look"],
    ["check_in_guest", ["booking_id"], null, "alter"],
    ["checkOutBoat", ["boat_no", "deposit_eur"], null, "commit"],
    ["getOrCreateTag", ["name"], null, "add"],
  ];
  for (const [name, parameters, readOnly, effect] of cases) {
    it(`${name}(${parameters.join(", ")}): ${effect}`, () => {
      expect(effectOf(name, readOnly, parameters)).to.equal(effect);
    });
  }

  it("believes a server that says what it does may overwrite what is there", () => {
    expect(effectOfTool(["write", "file"], false, ["file", "content"], true)).to.equal("alter");
    expect(effectOfTool(["write", "file"], false, ["file", "content"], false)).to.equal("keep");
    expect(effectOfTool(["read", "file"], true, ["path"], true)).to.equal("look");
  });

  it("takes a look for a change by its server's word, unless that says that nothing is lost by it", () => {
    expect(effectOfTool(["get", "mails"], false, ["mail_ids", "mark_as_read"], false)).to.equal("look");
    expect(effectOfTool(["get", "mails"], false, ["mail_ids", "mark_as_read"], true)).to.equal("alter");
    expect(effectOfTool(["get", "mails"], false, ["mail_ids", "mark_as_read"])).to.equal("alter");
    // What no word tells isn't milder by a server's.
    expect(effectOfTool(["frobnicate", "mails"], false, ["mail_ids"], false)).to.equal("alter");
  });

  it("takes what no word tells for what destroys, where its server says that it may", () => {
    expect(effectOfTool(["retire", "hive"], false, ["hive_id"], true)).to.equal("destroy");
    expect(effectOfTool(["retire", "hive"], false, ["hive_id"])).to.equal("alter");
    expect(effectOfTool(["update", "hive"], false, ["hive_id"], true)).to.equal("alter");
  });

  it("takes what is read at a place for a text, whose fields its author has named", () => {
    for (const places of [["path"], ["head", "file_path"], ["url"], ["uris"], ["page_link"]])
      expect(readsText("look", places) && readsText("fetch", places), places.join()).to.equal(true);
    for (const others of [["file_id"], ["query"], ["pathology"], []]) expect(readsText("look", others), others.join()).to.equal(false);
    expect(readsText("keep", ["path"])).to.equal(false);
  });

  const roles: [name: string, effect: VerbEffect, isId: boolean, role: Role | null][] = [
    ["recipients", "add", false, "destination"],
    ["url", "look", false, "destination"],
    ["participants", "keep", false, "destination"],
    ["password", "settings", false, "authority"],
    ["file_id", "settings", true, "locator"],
    ["order_id", "alter", false, "locator"],
    ["note_ids", "add", false, "locator"],
    ["comment_id", "add", false, "locator"],
    ["channel_id", "add", false, "destination"],
    ["body", "add", false, "content"],
    ["amount", "commit", false, "commitment"],
    ["sql", "commit", false, "commitment"],
    ["command", "commit", false, "commitment"],
    ["command", "add", false, "content"],
    ["order_id", "look", false, "locator"],
    ["username", "look", false, "locator"],
    ["file_path", "look", false, "locator"],
    ["order_id", "fetch", false, null],
    ["entityNames", "destroy", false, null],
    ["entity_names", "destroy", false, "locator"],
    ["entity_names", "add", false, null],
    ["start_time", "add", false, null],
    ["query", "look", false, null],
  ];
  for (const [name, effect, isId, role] of roles) {
    it(`${name} of what does ${effect}: ${role ?? "nothing"}`, () => {
      expect(roleOfArgument(name, effect, isId)).to.equal(role);
    });
  }

  it("believes a server about the ids that it gives things, and not about places that something can be sent to", () => {
    const names = ["parcel_id", "shelf_ids", "user_id", "channel_id", "account_ids", "parcel", "id_card", "identity"];
    expect(names.filter(isGivenId)).to.deep.equal(["parcel_id", "shelf_ids"]);
  });
});

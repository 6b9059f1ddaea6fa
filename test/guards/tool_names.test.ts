/** How tools are called by published servers, and what a draft reads in it. */
import { expect } from "chai";
import { effectOfTool } from "../../src/guards/mcp/roles.js";
import { namesMany, readToolNames, singular } from "../../src/guards/mcp/tool_names.js";

type Said = [name: string, verb: string, nouns: string, readOnly?: boolean];

function read(server: string, tools: readonly Said[]): Map<string, { verb: string; nouns: readonly string[] }> {
  return readToolNames(new Map(tools.map(([name, , , readOnly]) => [name, readOnly ?? null])), server);
}

describe("the name of a tool", () => {
  const servers: [what: string, server: string, tools: Said[]][] = [
    [
      "says first what is done",
      "crm",
      [
        ["getUserDetails", "get", "user details"],
        ["list-issues", "list", "issues"],
        ["retrieve-a-page", "retrieve", "page"],
        ["add_to_list", "add", "list"],
        ["get_a", "get", "a"],
        ["ping", "ping", ""],
      ],
    ],
    [
      "may begin like all of its server's",
      "Chat Server",
      [
        ["chat_list_channels", "list", "channels"],
        ["chat_post_message", "post", "message"],
        ["chat_search", "search", "chat"],
        ["chat_translate_quickly", "translate", "quickly"],
        ["chat_summon", "summon", "chat summon"],
      ],
    ],
    [
      "isn't shortened by a verb that all begin with",
      "lists",
      [
        ["list_users", "list", "users"],
        ["list_orders", "list", "orders"],
      ],
    ],
    [
      "may end with its server's",
      "exa-search",
      [
        ["web_search_exa", "search", "web"],
        ["web_fetch_exa", "fetch", "web"],
      ],
    ],
    [
      "may say at its end what is done",
      "watch",
      [
        ["monitor_create", "create", "monitor"],
        ["monitor_delete", "delete", "monitor"],
        ["monitor_list", "list", "monitor", true],
        ["monitor_pause", "pause", "monitor"],
        ["papers_search", "search", "papers"],
        ["purge_list", "purge", "list"],
        ["type_text", "type", "text"],
        ["unapprove_merge_request", "unapprove", "merge request"],
      ],
    ],
    [
      "may be only nouns of what is looked at",
      "places",
      [
        ["place_details", "get", "place details"],
        ["order_history", "get", "order history"],
        ["order_history_x", "order", "history x"],
        ["place_room_info", "get", "place room info", true],
        ["database_stats", "get", "database stats", true],
        ["book_details", "book", "details", false],
      ],
    ],
    [
      "may have a space, which is no verb",
      "hub",
      [
        ["db.query", "query", "db"],
        ["db.bulk_update", "update", "db bulk"],
        ["order.get_login_history", "get", "order login history"],
        ["secrets/rotate", "rotate", "secrets"],
        ["Mail--ListFolders", "list", "mail folders"],
        ["files:", "files", ""],
      ],
    ],
    [
      "may say two things, of which the graver counts",
      "shop",
      [
        ["validate_and_pay", "pay", "validate"],
        ["get_and_delete_mail", "delete", "get mail"],
        ["salt_and_pepper", "salt", "and pepper"],
      ],
    ],
    [
      "keeps a verb that its server has, too",
      "brave-search",
      [
        ["brave_web_search", "search", "web"],
        ["brave_local_search", "search", "local"],
      ],
    ],
    ["of a server with one is taken as it is", "brave", [["brave_walk", "brave", "walk"]]],
  ];
  for (const [what, server, tools] of servers) {
    it(what, () => {
      const found = [...read(server, tools)].map(([name, { verb, nouns }]) => [name, verb, nouns.join(" ")]);
      expect(found).to.deep.equal(tools.map(([name, verb, nouns]) => [name, verb, nouns]));
    });
  }

  const CHANGES: [name: string, readOnly: boolean | null][] = [
    ..."purge_list rotate_view wipe_query drain_queue_check simulate_query save_search pause_download wipe_read"
      .split(" ")
      .map((name): [string, null] => [name, null]),
    ..."messages_mark_read inbox_clear_read_messages monitor_delete_search history_clear_search torrent_cancel_download db_set_read_only"
      .split(" ")
      .map((name): [string, null] => [name, null]),
    ..."place_order_with_details book_flight_info post_order_details post_user_info text_contact_info call_info mark_history"
      .split(" ")
      .map((name): [string, null] => [name, null]),
    ..."validate_and_submit_order analyze_and_delete_duplicates preview_and_send_email get_and_delete post_get"
      .split(" ")
      .map((name): [string, null] => [name, null]),
    ..."account_close sessions_revoke payments_refund orders_place config_reset pay_list send_search"
      .split(" ")
      .map((name): [string, true] => [name, true]),
    ["order_details", false],
    ["alerts_search", false],
  ];
  for (const [name, readOnly] of CHANGES) {
    it(`isn't taken for a look by a noun in it: ${name}${readOnly === null ? "" : `, readOnlyHint ${readOnly}`}`, () => {
      const { verb = "", nouns = [] } = readToolNames(new Map([[name, readOnly]]), "s").get(name) ?? {};
      expect(effectOfTool([verb, ...nouns], readOnly, ["x"])).to.not.be.oneOf(["look", "fetch"]);
    });
  }

  it("says no word that all begin with where that may be a verb", () => {
    const [purged] = [
      ...read("s", [
        ["purge_list", "purge", "list"],
        ["purge_cache", "purge", "cache"],
      ]).values(),
    ];
    expect(purged).to.deep.equal({ verb: "purge", nouns: ["list"] });
  });

  it("tells one from many, and details of one thing from many things", () => {
    expect([["orders"], ["customer", "orders"], ["entities"]].map(namesMany)).to.deep.equal([true, true, true]);
    expect([["order"], [], ["user", "details"], ["status"], ["address"]].map(namesMany)).to.deep.equal([false, false, false, false, false]);
    expect(singular(["pull", "requests"])).to.deep.equal(["pull", "request"]);
  });
});

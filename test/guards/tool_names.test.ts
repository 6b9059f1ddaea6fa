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
        ["database_stats", "get", "database stats", true],
        ["book_details", "book", "details", false],
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
    ...["purge_list", "rotate_view", "wipe_query", "drain_queue_check", "frobnicate_count", "simulate_query"].map(
      (name): [string, null] => [name, null],
    ),
    ["order_details", false],
    ["pay_list", true],
    ["send_search", true],
    ["post_get", null],
  ];
  for (const [name, readOnly] of CHANGES) {
    it(`isn't taken for a look by a noun in it: ${name}${readOnly === null ? "" : `, readOnlyHint ${readOnly}`}`, () => {
      const { verb = "", nouns = [] } = readToolNames(new Map([[name, readOnly]]), "s").get(name) ?? {};
      expect(effectOfTool([verb, ...nouns], readOnly, ["x"])).to.not.be.oneOf(["look", "fetch"]);
    });
  }

  it("tells one from many, and details of one thing from many things", () => {
    expect([["orders"], ["customer", "orders"], ["entities"]].map(namesMany)).to.deep.equal([true, true, true]);
    expect([["order"], [], ["user", "details"], ["status"], ["address"]].map(namesMany)).to.deep.equal([false, false, false, false, false]);
    expect(singular(["pull", "requests"])).to.deep.equal(["pull", "request"]);
  });
});

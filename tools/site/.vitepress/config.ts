/** The site of docs/: what is read in the repository is what is built, and a link that leads nowhere fails the build. */
import { readFileSync } from "node:fs";
import { dirname, normalize, relative, resolve } from "node:path";
import type { DefaultTheme } from "vitepress";
import { withMermaid } from "vitepress-plugin-mermaid";

const DOCS = resolve(import.meta.dirname, "../../../docs");

/** A page of the sidebar, named by its own first heading. */
function page(file: string): DefaultTheme.SidebarItem {
  const [, title] = /^# (.+)$/m.exec(readFileSync(`${DOCS}/${file}.md`, "utf8")) ?? [];
  if (title === undefined) throw new Error(`docs/${file}.md has no heading`);
  return { text: title.replaceAll("`", ""), link: `/${file.replace(/README$/, "")}` };
}

const part = (text: string, files: readonly string[], collapsed = false): DefaultTheme.SidebarItem => ({
  text,
  collapsed,
  items: files.map(page),
});

/** Parts of the sidebar, in the order in which somebody who begins needs them. */
export const PARTS = [
  part("Start", ["README", "tour", "install", "bundles", "policies"]),
  part("Guides", [
    "conditions",
    "checks",
    "rego",
    "builtins",
    "console",
    "enforcement",
    "mcp",
    "embedded",
    "flow",
    "identity",
    "narrowing",
    "findings",
    "behavior",
    "observe",
    "telemetry",
    "events",
    "audit",
    "records-sql",
    "review",
    "standby",
    "cluster",
  ]),
  part("Beside other products", ["opa", "envoy", "authzen", "security-events", "aarm"]),
  part("Reference", ["reference", "reference/log-events", "reference/records-table", "explain/glossary"]),
  part("Explain", ["architecture", "threat-model", "explain/decisions/README", "benchmarks", "outside"], true),
];

export default withMermaid({
  title: "Remit",
  description: "Run-time identity control for AI agents",
  srcDir: "../../docs",
  rewrites: { "README.md": "index.md", "explain/decisions/README.md": "explain/decisions/index.md" },
  outDir: "../../dist/site",
  cacheDir: "../../.work/vitepress",
  // Pages open from any folder of a server, and nothing is fetched from another.
  base: process.env["SITE_BASE"] ?? "/",
  cleanUrls: false,
  lastUpdated: false,
  vite: {
    build: { chunkSizeWarningLimit: 4_000 },
    // Pages are outside of this folder, whose packages they are built with.
    resolve: { alias: [{ find: /^(vue|mermaid)(\/.*)?$/, replacement: `${resolve(import.meta.dirname, "../node_modules")}/$1$2` }] },
  },
  markdown: {
    // A `<type>` in a sentence is no element; what is said to the tests in a comment isn't for readers.
    html: false,
    languageAlias: { rego: "ruby" },
    config(md) {
      md.core.ruler.before("normalize", "comments", (state) => {
        state.src = state.src.replaceAll(/^<!--.*?-->$\n?/gms, "");
      });
      const rule = md.renderer.rules.link_open;
      // Sources aren't part of the site: their names stay, without a link.
      md.core.ruler.push("sources", ({ tokens, env }) => {
        const from = dirname((env as { path?: string }).path ?? DOCS);
        for (const { children } of tokens)
          for (const token of children ?? []) {
            const href = token.type === "link_open" ? token.attrGet("href") : null;
            if (href === null || /^(?:[a-z]+:|#|\/)/.test(href)) continue;
            const target = normalize(resolve(from, decodeURI(href.replace(/#.*$/, ""))));
            if (relative(DOCS, target).startsWith("..")) token.meta = { isSource: true };
          }
      });
      let open = 0;
      md.renderer.rules.link_open = (tokens, at, options, env, self) => {
        if ((tokens[at]?.meta as { isSource?: true } | null)?.isSource === true) {
          open++;
          return `<span class="source">`;
        }
        return rule === undefined ? self.renderToken(tokens, at, options) : rule(tokens, at, options, env, self);
      };
      md.renderer.rules.link_close = (tokens, at, options, _env, self) => {
        if (open === 0) return self.renderToken(tokens, at, options);
        open--;
        return "</span>";
      };
    },
  },
  themeConfig: {
    search: { provider: "local" },
    sidebar: PARTS,
    outline: { level: [2, 3] },
    nav: PARTS.map(({ text, items }) => ({ text: text ?? "", link: items?.[0]?.link ?? "/" })),
  },
});

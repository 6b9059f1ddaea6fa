/**
 * A Stryker ignorer: leaves the texts for people alone. Codes, fields and paths have no space in them; a sentence has, and its
 * wording is no control.
 */
import { PluginKind, declareValuePlugin } from "@stryker-mutator/api/plugin";

const MESSAGE = "a text for people";

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, "sentences", {
    shouldIgnore(path) {
      if (path.isStringLiteral()) return /\s/u.test(path.node.value) ? MESSAGE : undefined;
      if (path.isTemplateLiteral()) return path.node.quasis.some((part) => /\s/u.test(part.value.raw)) ? MESSAGE : undefined;
      return undefined;
    },
  }),
];

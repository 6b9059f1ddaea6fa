/**
 * The service's modules with edits made. What an edit changes is loaded anew: the edited modules, and those that import them.
 * All others stay the ones that are loaded already, so that a class of errors is one class.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { compiled, type Edit } from "./cut.js";

/** The folder of the service's compiled modules. */
const COMPILED = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "src");

/** A place in a module's text that names another file, relative to the module's own. */
interface Link {
  start: number;
  end: number;
  /** The file's path below `src`. */
  target: string;
  /** Whether `import.meta.url` is a part of the place, as in a thread's `new URL("./worker.js", import.meta.url)`. */
  isUrl: boolean;
}

const URLS = /new URL\(\s*"(\.[^"]*)",\s*import\.meta\.url,?\s*\)/g;

/** The files that a module imports, now or later, and those that it starts as threads. */
function linksIn(file: string, text: string): Link[] {
  const targetOf = (path: string): string => join(dirname(file), path);
  const imports = ts.preProcessFile(text, true, true).importedFiles.filter(({ fileName }) => fileName.startsWith("."));
  return [
    ...imports.map(({ fileName, pos }) => {
      const start = text.indexOf(fileName, pos);
      return { start, end: start + fileName.length, target: targetOf(fileName), isUrl: false };
    }),
    ...[...text.matchAll(URLS)].map(({ 0: whole, 1: path = "", index }) => ({
      start: index,
      end: index + whole.length,
      target: targetOf(path),
      isUrl: true,
    })),
  ].sort((a, b) => b.start - a.start);
}

interface Module {
  text: string;
  links: readonly Link[];
}

const originals = new Map<string, Module>();

function original(file: string): Module {
  let module = originals.get(file);
  if (module === undefined) {
    const text = readFileSync(join(COMPILED, file), "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
    originals.set(file, (module = { text, links: linksIn(file, text) }));
  }
  return module;
}

/** The service's modules, with edits or without. */
export class Copies {
  readonly #folder: string;
  readonly #edited = new Map<string, Module>();
  readonly #written = new Set<string>();

  /** @param folder for what is written; made when it is needed */
  constructor(folder: string, edits: readonly Edit[]) {
    this.#folder = folder;
    for (const file of new Set(edits.map((edit) => edit.file))) {
      const text = compiled(
        file,
        edits.filter((edit) => edit.file === file),
      );
      this.#edited.set(file, { text, links: linksIn(file, text) });
    }
  }

  /** The path of a module that has the edits in it, or in what it imports; the module's own when no edit reaches it. */
  path(root: string): string {
    if (this.#edited.size === 0) return join(COMPILED, root);
    const changed = this.#changed(root);
    for (const file of changed) this.#write(file, changed);
    return join(changed.has(root) ? this.#folder : COMPILED, root);
  }

  async load(root: string): Promise<unknown> {
    return import(pathToFileURL(this.path(root)).href);
  }

  #module(file: string): Module {
    return this.#edited.get(file) ?? original(file);
  }

  /** Of what a module imports, in as many steps as it takes, the edited modules and all that import those. */
  #changed(root: string): Set<string> {
    const importers = new Map<string, string[]>([[root, []]]);
    for (const file of importers.keys())
      for (const { target } of this.#module(file).links) {
        if (!target.endsWith(".js")) continue;
        const known = importers.get(target);
        if (known === undefined) importers.set(target, [file]);
        else known.push(file);
      }
    const changed = new Set([...this.#edited.keys()].filter((file) => importers.has(file)));
    for (const file of changed) for (const importer of importers.get(file) ?? []) changed.add(importer);
    return changed;
  }

  #write(file: string, changed: ReadonlySet<string>): void {
    if (this.#written.has(file)) return;
    this.#written.add(file);
    let { text } = this.#module(file);
    for (const { start, end, target, isUrl } of this.#module(file).links) {
      if (changed.has(target)) continue;
      const { href } = pathToFileURL(join(COMPILED, target));
      text = text.slice(0, start) + (isUrl ? `new URL(${JSON.stringify(href)})` : href) + text.slice(end);
    }
    const path = join(this.#folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

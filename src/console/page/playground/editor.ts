/** Editor of one text at a time, in a shadow root: the styles that it makes at run time are its own sheets there, which the page's policy allows. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, indentUnit, syntaxHighlighting, type StreamParser } from "@codemirror/language";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";
import { EditorState, StateEffect, StateField, type Extension, type Text } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, type DecorationSet } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const WORDS = new Set(["package", "import", "as", "if", "in", "every", "some", "not", "contains", "else", "default", "with"]);
const VALUES = new Set(["true", "false", "null"]);

/** Rego, as far as colours need it. */
const rego: StreamParser<{ raw: boolean }> = {
  startState: () => ({ raw: false }),
  token(stream, state) {
    if (state.raw || stream.eat("`") !== undefined) {
      state.raw = !stream.skipTo("`");
      if (state.raw) stream.skipToEnd();
      else stream.next();
      return "string";
    }
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/) !== null) return "comment";
    if (stream.match(/^\$?"(?:[^"\\]|\\.)*"?/) !== null) return "string";
    if (stream.match(/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/) !== null) return "number";
    const word = stream.match(/^[A-Za-z_]\w*/);
    if (word === null || word === true || word === false) {
      stream.next();
      return null;
    }
    return WORDS.has(word[0]) ? "keyword" : VALUES.has(word[0]) ? "atom" : null;
  },
};

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.meta], color: "var(--wait)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--allow)" },
  { tag: [tags.number, tags.atom, tags.bool], color: "var(--flag)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--paper)", fontSize: "13px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { color: "var(--quiet)", backgroundColor: "var(--paper)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--sunk) 60%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 25%, transparent)",
  },
  ".cm-wrong": { boxShadow: "inset 3px 0 var(--deny)", backgroundColor: "color-mix(in srgb, var(--deny) 12%, transparent)" },
  ".cm-doubtful": { boxShadow: "inset 3px 0 var(--flag)" },
});

/** A line that something is said about. */
export interface MarkedLine {
  line: number;
  isError: boolean;
}

const setMarks = StateEffect.define<readonly MarkedLine[]>();
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, { effects, changes, state }) {
    const told = effects.find((effect) => effect.is(setMarks));
    return told === undefined ? before.map(changes) : decorated(state.doc, told.value);
  },
  provide: (field) => EditorView.decorations.from(field),
});

function decorated(doc: Text, lines: readonly MarkedLine[]): DecorationSet {
  const ranges = lines
    .filter(({ line }) => line >= 1 && line <= doc.lines)
    .map(({ line, isError }) => Decoration.line({ class: isError ? "cm-wrong" : "cm-doubtful" }).range(doc.line(line).from));
  return Decoration.set(ranges, true);
}

export class Editor {
  readonly #view: EditorView;
  readonly #changed: (text: string) => void;
  #isLoading = false;

  /** @param changed called with the whole text after each change that somebody typed */
  constructor(host: HTMLElement, changed: (text: string) => void) {
    this.#changed = changed;
    const root = host.attachShadow({ mode: "open" });
    this.#view = new EditorView({ root, parent: root, state: this.#stateOf("", "") });
  }

  /** Shows a file. */
  open(name: string, text: string): void {
    this.#isLoading = true;
    this.#view.setState(this.#stateOf(name, text));
    this.#isLoading = false;
  }

  mark(lines: readonly MarkedLine[]): void {
    this.#view.dispatch({ effects: setMarks.of(lines) });
  }

  goTo(line: number): void {
    const { doc } = this.#view.state;
    const { from } = doc.line(Math.max(1, Math.min(line, doc.lines)));
    this.#view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    this.#view.focus();
  }

  close(): void {
    this.#view.destroy();
  }

  #stateOf(name: string, text: string): EditorState {
    const language: Extension[] = name.endsWith(".rego")
      ? [StreamLanguage.define(rego), indentUnit.of("\t")]
      : [StreamLanguage.define(yaml), indentUnit.of("  ")];
    return EditorState.create({
      doc: text,
      extensions: [
        ...[lineNumbers(), history(), drawSelection(), highlightActiveLine(), marks, syntaxHighlighting(colours), look, ...language],
        // Tab leaves the editor, as it leaves every field.
        keymap.of([...defaultKeymap, ...historyKeymap]),
        EditorView.contentAttributes.of({ "aria-label": name === "" ? "Text" : name, spellcheck: "false", tabindex: "0" }),
        EditorView.updateListener.of(({ docChanged, state }) => {
          if (docChanged && !this.#isLoading) this.#changed(state.doc.toString());
        }),
      ],
    });
  }
}

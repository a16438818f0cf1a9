// The guides in docs/*.md as a module the documentation screen loads: rendered when the dashboard is built, so that no browser has to
// read Markdown. Links between guides become paths of the dashboard; those into the repository become text, as it is not served.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Marked, type Token, type Tokens } from "marked";
import type { Plugin } from "vite";

const ID = "virtual:guides";
/** Their names and titles alone, for whoever only leads to them. */
const TITLES = "virtual:guide-titles";

interface Section {
  id: string;
  title: string;
  /** What search looks through. */
  text: string;
}

/** Addresses of headings in their order, as GitHub makes them, so that a link works in both places. */
function slugs(): (title: string) => string {
  const seen = new Map<string, number>();
  return (title) => {
    const slug = title.toLowerCase().replace(/[^\p{L}\p{N}\- ]/gu, "").replace(/ /g, "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  };
}

function target(href: string, names: string[]): string | null {
  if (/^https?:|^#/.test(href)) return href;
  const guide = /^(?:\.\/)?([\w-]+)\.md(#.*)?$/.exec(href);
  return guide && names.includes(guide[1] ?? "") ? `/docs/${guide[1]}${guide[2] ?? ""}` : null;
}

const attribute = (text: string) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");

function plain(token: Token): string {
  if ("tokens" in token && token.tokens) return token.tokens.map(plain).join("");
  if (token.type === "list") return (token as Tokens.List).items.map(plain).join(" ");
  if (token.type === "table") {
    const { header, rows } = token as Tokens.Table;
    return [header, ...rows].map((cells) => cells.map((cell) => cell.tokens.map(plain).join("")).join(" ")).join(" ");
  }
  return "text" in token ? String(token.text) : " ";
}

function render(markdown: string, names: string[]): { title: string; html: string; sections: Section[] } {
  const sections: Section[] = [];
  const [drawn, listed] = [slugs(), slugs()];
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const id = drawn(tokens.map(plain).join(""));
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const to = target(href, names);
        return to === null ? text : `<a href="${to}">${text}</a>`;
      },
      image: ({ text }) => text,
      table(token) {
        // On a phone a row is a card, and each of its cells says its column's name (src/styles/tables.css).
        const names = token.header.map((cell) => attribute(cell.tokens.map(plain).join("")));
        const cell = ({ tokens }: Tokens.TableCell, tag: string, name: string | undefined) => {
          const text = this.parser.parseInline(tokens);
          return `<${tag}${name === undefined ? "" : ` data-label="${name}"`}>${text === "" ? "" : `<span>${text}</span>`}</${tag}>`;
        };
        const row = (cells: Tokens.TableCell[], tag: string) => {
          const drawn = cells.map((one, index) => cell(one, tag, tag === "td" ? names[index] : undefined));
          return `<tr>${drawn.join("")}</tr>`;
        };
        return `<div class="table"><table><thead>${row(token.header, "th")}</thead><tbody>${token.rows.map((cells) => row(cells, "td")).join("")}</tbody></table></div>\n`;
      },
      code: ({ text }) => `<pre tabindex="0"><code>${text.replace(/&/g, "&amp;").replace(/</g, "&lt;")}</code></pre>\n`,
    },
  });
  const tokens = marked.lexer(markdown);
  for (const token of tokens) {
    if (token.type === "heading") {
      const title = plain(token);
      sections.push({ id: listed(title), title, text: "" });
    } else {
      const last = sections.at(-1);
      if (last) last.text += ` ${plain(token)}`;
    }
  }
  const [first] = sections;
  if (!first) throw new Error("a guide begins with a heading");
  return { title: first.title, html: marked.parser(tokens), sections: sections.map((one) => ({ ...one, text: one.text.replace(/\s+/g, " ").trim() })) };
}

export function guides(folder: string): Plugin {
  return {
    name: "gateless-guides",
    resolveId: (id) => (id === ID || id === TITLES ? `\0${id}` : undefined),
    load(id) {
      if (id !== `\0${ID}` && id !== `\0${TITLES}`) return undefined;
      const names = readdirSync(folder).filter((file) => file.endsWith(".md")).map((file) => file.slice(0, -3)).sort();
      const all = names.map((name) => {
        const path = join(folder, `${name}.md`);
        this.addWatchFile(path);
        try {
          return { name, ...render(readFileSync(path, "utf8"), names) };
        } catch (error) {
          throw new Error(`${path}: ${(error as Error).message}`);
        }
      });
      if (id === `\0${TITLES}`) return `export const titles = ${JSON.stringify(all.map(({ name, title }) => [name, title]))};`;
      return `export const guides = JSON.parse(${JSON.stringify(JSON.stringify(all))});`;
    },
  };
}

// The documentation, for anybody: guides and the API's reference, with a search over both. Loaded only when somebody asks for it;
// it reads nothing from the server, so that it needs no token.

import { guides } from "virtual:guides";
import { useEffect, useMemo, useState } from "preact/hooks";
import { search, type Place } from "../../logic/search.ts";
import { href, type Route } from "../../router.ts";
import { session } from "../../store/session.ts";
import { reference, Reference } from "./Reference.tsx";

const API = "api";
const TITLE = "API reference";

function placesOf(): Place[] {
  const ofGuides = guides.flatMap((guide) =>
    guide.sections.map(({ id, title, text }) => ({ href: `${href("guide", { page: guide.name })}#${id}`, title, within: guide.title, text })),
  );
  const ofReference = reference.flatMap(([, operations]) =>
    operations.map((one) => ({
      href: `${href("guide", { page: API })}#${one.operationId}`,
      title: one.summary ?? one.operationId,
      within: TITLE,
      text: `${one.method.toUpperCase()} ${one.path} ${one.operationId} ${one.description ?? ""}`,
    })),
  );
  return [...ofGuides, ...ofReference];
}

export function Docs({ route }: { route: Route }) {
  const page = route.params.page;
  const [question, setQuestion] = useState("");
  const places = useMemo(placesOf, []);
  const guide = guides.find(({ name }) => name === page);
  const title = page === undefined ? "Documentation" : page === API ? TITLE : (guide?.title ?? "Nothing here");
  document.title = `${title} · Gateless`;
  const hits = question.trim() === "" ? null : search(places, question);
  useEffect(() => setQuestion(""), [page, route]);
  // A place that was searched for is drawn only once the hits are gone.
  useEffect(() => {
    if (hits === null) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }, [page, route, hits === null]);
  return (
    <div class="docs">
      <aside>
        <a class="brand" href={href("docs")}>Gateless</a>
        <input type="search" aria-label="Search the documentation" placeholder="Search the documentation" value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />
        <nav aria-label="Documentation">
          <ul>
            {[...guides.map(({ name, title: label }) => [name, label] as const), [API, TITLE] as const].map(([name, label]) => (
              <li key={name}>
                <a href={href("guide", { page: name })} aria-current={name === page ? "page" : undefined}>{label}</a>
              </li>
            ))}
          </ul>
        </nav>
        <a href="/">{session.value ? "To the dashboard" : "Sign in"}</a>
      </aside>
      <main id="main">{hits ? <Hits hits={hits} /> : <Text page={page} title={title} />}</main>
    </div>
  );
}

function Hits({ hits }: { hits: ReturnType<typeof search> }) {
  return (
    <>
      <h1 tabIndex={-1}>Found</h1>
      <p role="status" class="hint">{hits.length === 0 ? "Nothing has all of these words." : `${hits.length} places`}</p>
      <ul class="hits">
        {hits.map((hit) => (
          <li key={hit.href}>
            <a href={hit.href}>{hit.title}</a> <small>{hit.within}</small>
            <p>{hit.excerpt}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

function Text({ page, title }: { page: string | undefined; title: string }) {
  if (page === API) return <Reference title={title} />;
  const guide = guides.find(({ name }) => name === page);
  // What the build made of this repository's own guides; nothing of it comes from anybody else.
  if (guide) return <article class="guide" dangerouslySetInnerHTML={{ __html: guide.html }} />;
  return (
    <article class="guide">
      <h1 tabIndex={-1}>{title}</h1>
      {page !== undefined && <p>There is no guide of this name.</p>}
      <ul>
        {guides.map(({ name, title: label, sections }) => (
          <li key={name}>
            <a href={href("guide", { page: name })}>{label}</a>
            <p class="hint">{sections.slice(1, 8).map((section) => section.title).join(" · ")}</p>
          </li>
        ))}
        <li>
          <a href={href("guide", { page: API })}>{TITLE}</a>
          <p class="hint">{reference.map(([tag]) => tag).join(" · ")}</p>
        </li>
      </ul>
    </article>
  );
}

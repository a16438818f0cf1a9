// The documentation, once it is there: as large as all screens together, and needed by few visits.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Empty, Loading } from "../../parts/basic.tsx";
import type { Route } from "../../router.ts";

type Drawn = ComponentType<{ route: Route }>;

export function LazyDocs({ route }: { route: Route }) {
  const [drawn, setDrawn] = useState<{ Docs: Drawn } | "missing">();
  useEffect(() => {
    import("./Docs.tsx").then(setDrawn, () => setDrawn("missing"));
  }, []);
  if (drawn === undefined) return <Loading what="the documentation" />;
  if (drawn === "missing") return <Empty title="The documentation did not come"><p>The server may be gone, or newer than this page: load it again.</p></Empty>;
  return <drawn.Docs route={route} />;
}

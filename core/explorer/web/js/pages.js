// Which page shows which address.

import { OverviewPage } from "./pages/overview.js";
import { AuditPage } from "./pages/audit.js";
import { DiffPage } from "./pages/diff.js";
import { EntityPage } from "./pages/entity.js";
import { FindingPage, FindingsPage } from "./pages/findings.js";
import { GraphPage } from "./pages/graph.js";
import { PrivacyPage } from "./pages/privacy.js";
import { QueryPage } from "./pages/query.js";
import { QuestionsPage } from "./pages/questions.js";
import { RunPage, RunsPage } from "./pages/runs.js";
import { SearchPage } from "./pages/search.js";

/** The pages by the word in the address: the title, the entry of the navigation, the component. */
const VIEWS = {
  overview: { title: "Overview", nav: "overview", view: OverviewPage },
  search: { title: "Search", nav: "search", view: SearchPage },
  entity: { title: "Entity", nav: "search", view: EntityPage },
  graph: { title: "Graph", nav: "graph", view: GraphPage },
  questions: { title: "Questions", nav: "questions", view: QuestionsPage },
  query: { title: "Query", nav: "query", view: QueryPage },
  findings: { title: "Findings", nav: "findings", view: FindingsPage },
  finding: { title: "Finding", nav: "findings", view: FindingPage },
  runs: { title: "Runs", nav: "runs", view: RunsPage },
  diff: { title: "Diff", nav: "diff", view: DiffPage },
  audit: { title: "Audit", nav: "audit", view: AuditPage },
  privacy: { title: "Privacy", nav: "privacy", view: PrivacyPage },
  run: { title: "Run", nav: "runs", view: RunPage },
};

/** @param {string} page @returns {{ title: string, nav: string, view: any } | undefined} */
export const pageOf = (page) => (Object.hasOwn(VIEWS, page) ? VIEWS[/** @type {keyof typeof VIEWS} */ (page)] : undefined);

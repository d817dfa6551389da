//! A page in the form of JupiterOne's integration pages: installation, authorization, data model,
//! types, release notes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{authorization_rows, code_list, entities_by_resource, entities_table, type_cell};
use crate::authorization::{DOCUMENTATION_LINKS, TOKEN_ENDPOINT};
use crate::entity::EntityType;
use crate::plan::Plan;
use crate::property::{Property, ValueType};

/// The steps of an administrator before the first run.
const INSTALLATION: &str = "
## Installation

1. In Nexthink, go to Administration > Integrations > API credentials and create an API client with the
   `service:integration` scope. Note the client ID and the client secret.
2. Note the tenant ID and the region, as in `https://{tenantId}.{region}.nexthink.cloud`. The region is
   `us`, `eu`, `pac` or `meta`.
3. Create the NQL queries below, and write their IDs into the configuration; a blank ID skips the data.
4. Run `nexthink-graph init`, then `nexthink-graph check` until nothing fails, then `nexthink-graph run`.

### NQL query setup

Nexthink has no endpoint for each kind of data: everything is read through NQL queries that you save under
Administration > NQL API queries. Each query has an ID that must start with `#` and contain only lowercase
letters, digits and underscores, such as `#j1_devices`. You can adjust the queries as long as the listed
fields are present. If the result is larger than your license allows, it is truncated and reported.
";

/// Returns the page of JupiterOne's documentation for these steps, as Markdown.
///
/// Entities and types are listed by resource, relationships in run order, steps by name. A type
/// lists its own properties ([`EntityType::owns`]): first the required ones, marked with `*`, then
/// the others, each by name. Inherited properties are on the pages of its classes. The release
/// notes are Markdown with a title and headings that begin with `##`.
pub fn integration_page(plan: &Plan, release_notes: &str) -> String {
    let mut page = String::from("# Nexthink\n");
    installation_section(&mut page, plan);
    authorization_section(&mut page, plan);
    page.push_str("\n## Data Model\n\n### Entities\n\nThe following entities are created:\n\n");
    page.push_str(&entities_table(plan));
    relationships_section(&mut page, plan);
    page.push_str("\n## Types\n");
    for entity in entities_by_resource(plan) {
        type_section(&mut page, entity);
    }
    release_notes_section(&mut page, release_notes);
    page
}

/// Writes nothing if no step reads a query.
fn installation_section(page: &mut String, plan: &Plan) {
    let queries = plan
        .steps()
        .iter()
        .filter_map(|planned| Some((planned.step.query()?, planned.step.nql()?)));
    let mut queries = queries.peekable();
    if queries.peek().is_none() {
        return;
    }
    page.push_str(INSTALLATION);
    for (query, nql) in queries {
        let field = query.config_field;
        let name = field[..1].to_uppercase() + &field[1..];
        let _ = writeln!(
            page,
            "\n**{name}**: suggested ID `{}`, setting `queries.{field}`.\n\n```text\n{nql}\n```",
            query.suggested_id
        );
        if nql.contains("user.ad.") {
            page.push_str(
                "\nThe `user.ad.*` fields are filled only if the Entra ID (Azure AD) connector is \
                 configured in Nexthink.\n",
            );
        }
    }
}

/// Writes nothing if there are no notes.
fn release_notes_section(page: &mut String, notes: &str) {
    let mut lines = notes.lines().skip_while(|line| !line.starts_with("## ")).peekable();
    if lines.peek().is_none() {
        return;
    }
    page.push_str("\n## Release Notes\n\n");
    for line in lines {
        let level = if line.starts_with('#') { "#" } else { "" };
        let _ = writeln!(page, "{level}{line}");
    }
}

/// Writes nothing if no step calls an endpoint.
fn authorization_section(page: &mut String, plan: &Plan) {
    let authorizations = || plan.steps().iter().filter_map(|planned| planned.step.authorization());
    let scopes: BTreeSet<&str> =
        authorizations().flat_map(|authorization| authorization.scopes).copied().collect();
    let mut endpoints: BTreeSet<&str> =
        authorizations().flat_map(|authorization| authorization.endpoints).copied().collect();
    if endpoints.is_empty() {
        return;
    }
    // The run gets the token, not a step.
    endpoints.insert(TOKEN_ENDPOINT);

    page.push_str("\n## Authorization\n\n### OAuth Scopes\n\n");
    page.push_str("OAuth scopes that must be granted to the application or service principal.\n\n");
    for scope in scopes {
        let _ = writeln!(page, "- `{scope}`");
    }
    page.push_str("\n### Endpoints\n\n");
    page.push_str("API endpoints that the integration makes requests to.\n\n");
    for endpoint in endpoints {
        let _ = writeln!(page, "- `{endpoint}`");
    }
    page.push_str("\n### Documentation Links\n\n");
    page.push_str("Links to provider documentation relevant to setup and configuration.\n\n");
    for link in DOCUMENTATION_LINKS {
        let _ = writeln!(page, "- [{}]({})", link.title, link.address);
    }
    page.push_str("\n### Per-Step Breakdown\n\n");
    page.push_str("Detailed authorization requirements for each ingestion step.\n\n");
    page.push_str("| Step | OAuth Scopes | Endpoints |\n| --- | --- | --- |\n");
    page.push_str(&authorization_rows(plan));
}

/// Writes nothing if no step draws an edge.
fn relationships_section(page: &mut String, plan: &Plan) {
    let mut relationships =
        plan.steps().iter().flat_map(|planned| planned.step.relationships).peekable();
    if relationships.peek().is_none() {
        return;
    }
    page.push_str("\n### Relationships\n\nThe following relationships are created:\n\n");
    page.push_str("| Source Entity `_type` | Relationship `_class` | Target Entity `_type` |\n");
    page.push_str("| --- | --- | --- |\n");
    for relationship in relationships {
        let from = relationship.from.entity.type_name;
        let to = relationship.to.entity.type_name;
        let _ = writeln!(page, "| `{from}` | {} | `{to}` |", relationship.class.name());
    }
}

/// Writes one type: its classes, and a table of its own properties, if it has any.
fn type_section(page: &mut String, entity: &EntityType) {
    let classes: Vec<_> = entity.class.iter().map(|class| class.name()).collect();
    let _ = writeln!(
        page,
        "\n### Nexthink {}\n\n{} inherits from {}",
        entity.resource,
        code_list(&[entity.type_name]),
        classes.join(", ")
    );
    let own = entity.properties.iter().filter(|property| entity.owns(property));
    let mut own: Vec<&Property> = own.collect();
    if own.is_empty() {
        return;
    }
    own.sort_unstable_by_key(|property| (!entity.requires(property), property.name));
    page.push_str("\n| Property | Type | Description | Specifications |\n");
    page.push_str("| --- | --- | --- | --- |\n");
    for property in own {
        let star = if entity.requires(property) { " *" } else { "" };
        let _ = writeln!(
            page,
            "| `{}`{star} | {} | {} | {} |",
            property.name,
            type_cell(property),
            property.description,
            specification(property)
        );
    }
}

/// JupiterOne's specification of a value besides its type: that a number is a point in time.
///
/// Source: npm `@jupiterone/data-model` 0.64.2, for example `createdOn` of `Entity`.
fn specification(property: &Property) -> &'static str {
    match property.value_type() {
        ValueType::Timestamp => "Format: date-time",
        ValueType::Text | ValueType::Integer | ValueType::Boolean | ValueType::TextList => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{Class, RelationshipClass};
    use crate::plan::Decision;
    use crate::property::{text, timestamp};
    use crate::relationship::{RelationshipType, by_column, singleton};
    use crate::step::{Query, Source, Step};

    static ZOO: EntityType = EntityType {
        type_name: "nexthink_zoo",
        class: &[Class::Alert, Class::Application],
        resource: "Zoo",
        key_column: "zoo.uid",
        fallback_key: &[],
        newest_by: &[],
        properties: &[
            text("name", &["zoo.uid"], "Identifier.").never_null(),
            text("displayName", &["zoo.uid"], "Identifier.").never_null(),
        ],
    }
    .checked();

    static ANT: EntityType = EntityType {
        type_name: "nexthink_ant",
        class: &[Class::Application],
        resource: "Ant",
        key_column: "ant.uid",
        fallback_key: &[],
        newest_by: &[],
        properties: &[
            text("name", &["ant.uid"], "Identifier.").never_null(),
            text("displayName", &["ant.uid"], "Identifier.").never_null(),
            text("legs", &["ant.legs"], "Legs."),
            timestamp("hatchedOn", &["ant.hatched"], "When it hatched."),
            timestamp("createdOn", &["ant.hatched"], "When it hatched."),
            text("nest", &["ant.nest"], "Where it lives.").required(),
            text("antUid", &["ant.uid"], "Identifier.").required().never_null(),
        ],
    }
    .checked();

    static ZOO_HAS_ANT: RelationshipType = RelationshipType {
        type_name: "nexthink_zoo_has_ant",
        from: singleton(&ZOO),
        class: RelationshipClass::Has,
        to: by_column(&ANT, "ant.uid"),
        properties: &[],
    }
    .checked();

    static ZOO_STEP: Step = Step {
        id: "fetch-zoo",
        name: "Fetch Zoo",
        depends_on: &[],
        source: Source::Configuration,
        entities: &[&ZOO],
        relationships: &[],
    };

    static ANTS_STEP: Step = Step {
        id: "fetch-ants",
        name: "Fetch Ants",
        depends_on: &[&ZOO_STEP],
        source: Source::Export(Query {
            config_field: "ants",
            suggested_id: "#j1_ants",
            table: "ants",
            aliases: &[],
            partition_column: "ant.uid",
            is_extra: false,
            expiry: None,
        }),
        entities: &[&ANT],
        relationships: &[&ZOO_HAS_ANT],
    };

    fn page(steps: &[&'static Step]) -> String {
        integration_page(&Plan::new(steps, |_| Decision::Run).expect("the steps make a plan"), "")
    }

    #[test]
    fn a_type_lists_its_own_properties_and_the_required_ones_first() {
        let page = page(&[&ZOO_STEP, &ANTS_STEP]);
        let (_, types) = page.split_once("## Types\n\n").expect("the page has types");
        insta::assert_snapshot!(types, @r"
        ### Nexthink Ant

        `nexthink_ant` inherits from Application

        | Property | Type | Description | Specifications |
        | --- | --- | --- | --- |
        | `antUid` * | string | Identifier. |  |
        | `nest` * | string \| null | Where it lives. |  |
        | `hatchedOn` | number \| null | When it hatched. | Format: date-time |
        | `legs` | string \| null | Legs. |  |

        ### Nexthink Zoo

        `nexthink_zoo` inherits from Alert, Application
        ");
    }

    #[test]
    fn the_page_begins_with_the_queries_to_save_and_ends_with_the_release_notes() {
        let plan = Plan::new(&[&ZOO_STEP, &ANTS_STEP], |_| Decision::Run).expect("a plan");
        let page = integration_page(&plan, "# Changelog\n\nHow to read it.\n\n## 2.0\n\n- Ants.\n");
        assert!(
            page.contains("**Ants**: suggested ID `#j1_ants`, setting `queries.ants`"),
            "{page}"
        );
        assert!(page.ends_with("\n## Release Notes\n\n### 2.0\n\n- Ants.\n"), "{page}");
        let installation = page.find("## Installation").expect("it is there");
        assert!(Some(installation) < page.find("## Authorization"), "{page}");
    }

    #[test]
    fn only_steps_that_call_something_are_in_the_breakdown() {
        let page = page(&[&ZOO_STEP, &ANTS_STEP]);
        assert!(page.contains("\n| Fetch Ants | `service:integration` | `https://"), "{page}");
        assert!(!page.contains("Fetch Zoo"), "{page}");
    }

    #[test]
    fn sections_without_a_row_are_left_out() {
        let page = page(&[&ZOO_STEP]);
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        let expected = ["# Nexthink", "## Data Model", "### Entities", "## Types"];
        assert_eq!(headings, [expected.as_slice(), &["### Nexthink Zoo"]].concat());
    }
}
